# "\r" goes back to the beginning of the line.
# "\x1b[32m" makes the text green.
import time

for percent in range(0, 101, 2):
    bar = "█" * (percent // 4) + "░" * (25 - percent // 4)
    print(f"\r\x1b[32m{bar}\x1b[0m {percent:3}%", end="", flush=True)
    time.sleep(0.03)
print("\n\x1b[1mDone.\x1b[0m")
