# expect: held
# An oom_score_adj by which the kernel would kill others first.
# layers: attributes ids
refused("oom_score_adj", lambda: open("/proc/self/oom_score_adj", "w").write("-1000"), errno.EROFS, errno.EACCES)
