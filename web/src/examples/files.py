# Files that the program writes are listed below the output.
# Files that you drop on the page are there to be read.
# The policy must allow open(): "strict" refuses it.
import csv

with open("squares.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["number", "square"])
    for n in range(1, 11):
        writer.writerow([n, n * n])
with open("squares.csv") as file:
    print(file.read())
