# display() shows an object in its richest form.
# For a table, that is HTML.
import pandas as pd

planets = pd.DataFrame(
    {
        "planet": ["Mercury", "Venus", "Earth", "Mars"],
        "radius in km": [2440, 6052, 6371, 3390],
        "moons": [0, 0, 1, 2],
    }
)
display(planets, title="Inner planets")
print("Mean radius:", planets["radius in km"].mean(), "km")
