# A program that uses too much memory is stopped.
blocks = []
while True:
    blocks.append(bytearray(16 * 1024 * 1024))
    print(f"{len(blocks) * 16} MiB")
