# expect: held
# The program writes output that is not valid text: NUL, invalid UTF-8, an incomplete character at the end, surrogates, a byte order mark.
# layers: daemon
for chunk in (bytes(range(256)), b"\0" * 70000, b"\xff\xfe", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\xef\xbb\xbf", b"\xe2\x82"):
    os.write(1, chunk + b"\n")
    os.write(2, chunk)
held("all of it written")
