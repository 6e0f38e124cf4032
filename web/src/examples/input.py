# input() waits for the line below the output.
# The policy must allow it: "strict" refuses input().
name = input("What is your name? ")
year = int(input("In which year were you born? "))
print(f"Hello {name}, you will be 100 in {year + 100}.")
