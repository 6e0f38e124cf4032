# Completion of sandboxd for fish. Made by cmd/sandboxd/manual_test.go from the settings of sandboxd.
complete -c sandboxd -n __fish_use_subcommand -xa serve -d 'Serve HTTP'
complete -c sandboxd -n __fish_use_subcommand -xa run -d 'Run one file in a jail, with its streams and its exit status'
complete -c sandboxd -n __fish_use_subcommand -xa check -d 'Check the configuration, file, environment and flags'
complete -c sandboxd -n __fish_use_subcommand -xa doctor -d 'Try every isolation layer on this machine and report what is missing'
complete -c sandboxd -n __fish_use_subcommand -xa keys -d 'Make, list and revoke API keys'
complete -c sandboxd -n __fish_use_subcommand -xa profile -d 'Check seccomp profiles'
complete -c sandboxd -n __fish_use_subcommand -xa version -d 'Print the version'
complete -c sandboxd -n __fish_use_subcommand -xa help -d 'Describe a command'
complete -c sandboxd -n '__fish_seen_subcommand_from keys' -xa 'create list revoke'
complete -c sandboxd -n '__fish_seen_subcommand_from profile' -xa 'check'
complete -c sandboxd -l config -d 'YAML file with settings' -r
complete -c sandboxd -l listen -d 'Addresses to serve HTTP on, or unix,PATH' -x
complete -c sandboxd -l socket-mode -d 'Permissions of the Unix sockets that the daemon makes, such as 0660' -x
complete -c sandboxd -l socket-group -d 'The group of the Unix sockets that the daemon makes' -x
complete -c sandboxd -l admin-listen -d 'Address or unix,PATH of a separate listener for /healthz, /readyz and /metrics' -x
complete -c sandboxd -l isolation -d 'If an isolation layer is missing, required refuses to start' -xa 'required best-effort'
complete -c sandboxd -l python -d 'Absolute path of the interpreter' -r
complete -c sandboxd -l policy -d 'What the scan of the source refuses, strict,permissive,off' -xa 'strict permissive off'
complete -c sandboxd -l offer-policy -d 'Other policies that a request to /v1 may select, strict, permissive, off' -x
complete -c sandboxd -l restrict-module -d 'Modules that the scan refuses, instead of the policys own list' -x
complete -c sandboxd -l restrict-name -d 'Builtins that the scan refuses, instead of the policys own list' -x
complete -c sandboxd -l seccomp-profile -d 'Seccomp profile in the OCI format, instead of the built-in one' -r
complete -c sandboxd -l concurrency -d 'Maximum number of concurrent runs' -x
complete -c sandboxd -l engine -d 'How a run gets its interpreter, exec starts one in every jail, fork forks one that has already started' -xa 'exec fork'
complete -c sandboxd -l warm -d 'Maximum number of waiting jails for each template, with the interpreter started' -x
complete -c sandboxd -l templates -d 'With engine fork, interpreters to fork from that have already imported modules' -x
complete -c sandboxd -l renew-templates -d 'How long a template lives before it is replaced' -x
complete -c sandboxd -l prepare-fonts -d 'Make matplotlibs font list once at start, instead of in each run that plots'
complete -c sandboxd -l queue -d 'Maximum number of runs that wait for a slot' -x
complete -c sandboxd -l queue-per-caller -d 'Maximum number of these from one caller, a key, or else a client address' -x
complete -c sandboxd -l connections -d 'Maximum number of open HTTP connections' -x
complete -c sandboxd -l connections-per-client -d 'Maximum number of connections from one address (IPv6, one /64)' -x
complete -c sandboxd -l tls-cert -d 'Serve HTTPS and HTTP/2 at the TCP addresses of --listen, with this certificate chain (PEM)' -r
complete -c sandboxd -l tls-key -d 'The private key of --tls-cert (PEM)' -r
complete -c sandboxd -l keys -d 'API keys, made by sandboxd keys create, a request for a run must bring one' -r
complete -c sandboxd -l allow-anonymous -d 'Serve callers without a key, also at a listener that other machines reach, and also where there are keys'
complete -c sandboxd -l rate -d 'Runs per second that each caller may ask for, on average, a key, or else a client address (IPv6, a /64)' -x
complete -c sandboxd -l burst -d 'Runs that a caller may ask for at once' -x
complete -c sandboxd -l trusted-proxy -d 'Reverse proxies whose X-Forwarded-For or Forwarded tells the clients address, a network, an address, or unix for those that connect by a Unix socket' -x
complete -c sandboxd -l root-path -d 'The path below which a proxy serves this service, such as /api' -x
complete -c sandboxd -l host -d 'Accepted values of the Host header, such as example.com or *.example.com; * accepts all' -x
complete -c sandboxd -l cors-origin -d 'Origins whose web pages may call the service' -x
complete -c sandboxd -l drain-timeout -d 'How long the daemon waits for runs in progress after SIGTERM' -x
complete -c sandboxd -l log-format -d 'Format of the log on standard error, text,json' -xa 'text json'
complete -c sandboxd -l log-level -d 'Lowest level that is logged, debug, info, warn or error' -x
complete -c sandboxd -l wall -d 'Wall clock' -x
complete -c sandboxd -l memory -d 'Memory, scratch space included; there is no swap on top' -x
complete -c sandboxd -l cpu -d 'Cores' -x
complete -c sandboxd -l pids -d 'Processes and threads' -x
complete -c sandboxd -l scratch -d 'Writable file system' -x
complete -c sandboxd -l inodes -d 'Files in the writable file system' -x
complete -c sandboxd -l output-limit -d 'Bytes that are kept of each stream' -x
complete -c sandboxd -l max-wall -d 'Wall clock' -x
complete -c sandboxd -l max-memory -d 'Memory' -x
complete -c sandboxd -l max-cpu -d 'CPU time of all processes together (default, --max-wall times --cpu)' -x
complete -c sandboxd -l max-pids -d 'Processes and threads' -x
complete -c sandboxd -l max-output -d 'Bytes that are kept of each stream' -x
complete -c sandboxd -l core-scheduling -d 'Let no other process use the other hardware threads of a runs core at the same time'
complete -c sandboxd -l restrict-speculation -d 'Disable speculative store bypass and indirect branch speculation for runs'
complete -c sandboxd -l uid-first -d 'First of the host uids that runs get' -x
complete -c sandboxd -l uid-count -d 'Number of these host uids' -x
complete -c sandboxd -l template -d 'The template to fork from, one of those of --templates' -x
complete -c sandboxd -l remote -d 'Run the program on the service at this URL, or at unix,PATH, instead of here' -x
complete -c sandboxd -l key-file -d 'With --remote, the file with the API key' -r
complete -c sandboxd -l json -d 'Print the findings as JSON'
complete -c sandboxd -l environment -d 'The environments that the holder may use' -x
complete -c sandboxd -l expires -d 'When the key expires, after a time, such as 90d or 12h, or at a date, such as 2027-01-31' -x
