# packages: python3-pydantic python3-jinja2 python3-yaml python3-toml
from pydantic import BaseModel, ValidationError
import jinja2, yaml, toml
class A(BaseModel): x:int
try: A(x='q')
except ValidationError as e: print(len(e.errors()))
open('t.html','w').write('Hi {{n}}'); print(jinja2.Environment(loader=jinja2.FileSystemLoader('.')).get_template('t.html').render(n=1)); print(yaml.safe_load(yaml.dump({'a':[1]})), toml.loads('a=1'))
e=jinja2.Environment(loader=jinja2.FileSystemLoader('.'),bytecode_cache=jinja2.FileSystemBytecodeCache()); print(e.get_template('t.html').render(n=2))
