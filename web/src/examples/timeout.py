# A program that does not end is stopped.
# The reason names the line that was running.
print("Counting …")
n = 0
while True:
    n += 1
