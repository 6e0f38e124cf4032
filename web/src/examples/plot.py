# A figure is shown between the output. It can be downloaded.
import math

import matplotlib.pyplot as plt

degrees = range(0, 361, 5)
plt.plot(degrees, [math.sin(math.radians(d)) for d in degrees], label="sine")
plt.plot(degrees, [math.cos(math.radians(d)) for d in degrees], label="cosine")
plt.title("Sine and cosine")
plt.xlabel("degrees")
plt.legend()
plt.show()
