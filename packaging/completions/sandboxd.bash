# Completion of sandboxd for bash. Made by cmd/sandboxd/manual_test.go from the settings of sandboxd.
_sandboxd() {
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} flag= words= path= word
	# The default of COMP_WORDBREAKS makes three words of --flag=value.
	if [[ $current == "=" ]]; then
		flag=$before current=
	elif [[ $before == "=" ]]; then
		flag=${COMP_WORDS[COMP_CWORD-2]}
	else
		flag=$before
	fi
	case $flag in
	--isolation) words="required best-effort" ;;
	--policy) words="strict permissive off" ;;
	--engine) words="exec fork" ;;
	--log-format) words="text json" ;;
	--config | --python | --seccomp-profile | --tls-cert | --tls-key | --keys | --key-file)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return ;;
	--listen | --socket-mode | --socket-group | --admin-listen | --offer-policy | --restrict-module | --restrict-name | --concurrency | --warm | --templates | --renew-templates | --queue | --queue-per-caller | --connections | --connections-per-client | --rate | --burst | --trusted-proxy | --root-path | --host | --cors-origin | --drain-timeout | --log-level | --wall | --memory | --cpu | --pids | --scratch | --inodes | --output-limit | --max-wall | --max-memory | --max-cpu | --max-pids | --max-output | --uid-first | --uid-count | --template | --remote | --environment | --expires) return ;;
	esac
	if [[ -z $words ]]; then
		for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
			case $word in -* | = | */* | *.*) ;; *) path+="${path:+ }$word" ;; esac
		done
		case $path in
		"") words="serve run check doctor keys profile version help" ;;
		keys) words="create list revoke" ;;
		profile) words="check" ;;
		esac
		case $current in
		-*) words="--config --listen --socket-mode --socket-group --admin-listen --isolation --python --policy --offer-policy --restrict-module --restrict-name --seccomp-profile --concurrency --engine --warm --templates --renew-templates --prepare-fonts --queue --queue-per-caller --connections --connections-per-client --tls-cert --tls-key --keys --allow-anonymous --rate --burst --trusted-proxy --root-path --host --cors-origin --drain-timeout --log-format --log-level --wall --memory --cpu --pids --scratch --inodes --output-limit --max-wall --max-memory --max-cpu --max-pids --max-output --core-scheduling --restrict-speculation --uid-first --uid-count --template --remote --key-file --json --environment --expires" ;;
		*) [[ -n $words ]] || { mapfile -t COMPREPLY < <(compgen -f -- "$current"); return; } ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o filenames -F _sandboxd sandboxd
