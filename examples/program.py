"""Primes below 50, by the sieve of Eratosthenes. Try: sandboxd run examples/program.py"""

limit = 50
composite = set()
for n in range(2, limit):
    if n not in composite:
        print(n, end=" ")
        composite.update(range(n * n, limit, n))
print()
