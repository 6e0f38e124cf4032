# Printed lines appear while the program runs.
import math

print("Hello, World!")
for n in range(1, 6):
    print(f"The square root of {n} is {math.sqrt(n):.4f}")
