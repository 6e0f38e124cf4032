# packages: python3-tqdm python3-rich python3-tabulate
# varies: (?s)\r.*it/s\]
import tqdm, tabulate, rich
from rich.table import Table
for _ in tqdm.tqdm(range(3)): pass
print(tabulate.tabulate([[1,2]],headers=['a','b'])); t=Table('a'); t.add_row('1'); rich.print(t)
