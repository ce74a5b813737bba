"""Rows one by one, as nothing but a test wants them."""


def walk_rows(runs):
    """Give the address and the value of each row."""
    for width, addresses, octets, sizes, _ in runs:
        position = 0
        for number, size in enumerate(sizes):
            yield addresses[number * width : (number + 1) * width], octets[position : position + size]
            position += size
