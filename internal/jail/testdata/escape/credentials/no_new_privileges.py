# expect: held
# no_new_privs taken off.
# layers: credentials
syscall("prctl", 38, 0, 0, 0, 0)
(held if of_status("NoNewPrivs") == "1" else escaped)(f"NoNewPrivs is {of_status('NoNewPrivs')}")
