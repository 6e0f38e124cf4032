# expect: held
# The program lowers its oom_score_adj, so that the kernel would kill other processes first.
# layers: attributes ids
refused("oom_score_adj", lambda: open("/proc/self/oom_score_adj", "w").write("-1000"), errno.EROFS, errno.EACCES)
