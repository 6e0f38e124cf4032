# packages: python3-hypothesis
from hypothesis import given, strategies as st
@given(st.integers())
def t(x): assert x+0==x
t(); print('ok')
