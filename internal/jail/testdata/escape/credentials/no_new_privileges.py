# expect: held
# The program tries to clear no_new_privs.
# layers: credentials
syscall("prctl", 38, 0, 0, 0, 0)
(held if of_status("NoNewPrivs") == "1" else escaped)(f"NoNewPrivs is {of_status('NoNewPrivs')}")
