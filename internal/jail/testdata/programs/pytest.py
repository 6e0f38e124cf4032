# packages: python3-pytest
# varies: in [0-9.]+s
open('test_a.py','w').write('def test_a(tmp_path,capsys):\n    (tmp_path/"x").write_text("1"); assert 1\n')
import pytest; print(int(pytest.main(['-q','test_a.py'])))
