"""pandas: frames, groups, CSV, SQL, time zones."""

import io
import sqlite3

import pandas as pd

frame = pd.DataFrame({"k": ["a", "b"] * 500, "v": range(1000)})
frame["t"] = pd.date_range("2024-01-01", periods=1000, freq="h", tz="UTC").tz_convert("Europe/Berlin")
assert frame.groupby("k")["v"].sum().to_dict() == {"a": 249500, "b": 250000}
assert len(pd.read_csv(io.StringIO(frame.to_csv(index=False)))) == 1000
assert pd.merge(frame, frame, on="v").shape == (1000, 5)
frame["v"].rolling(5).mean().describe()
frame.query("v > 10").eval("w = v * 2")
db = sqlite3.connect(":memory:")
frame[["k", "v"]].to_sql("t", db)
assert pd.read_sql("select max(v) as m from t", db)["m"][0] == 999
str(frame), frame.to_json(), frame.to_html()
print("done")
