# packages: python3-venv python3-pip python3-setuptools bc curl file git gcc make perl procps sqlite3 unzip util-linux bsdextrautils bsdutils xz-utils zip
# varies: [0-9.e-]+ s, [0-9.]+ [kMG]?B/s|sys\\t0m[0-9.]+s
# differs: 'script -c true': no pseudo-terminals: seccomp-profiles/README.md
# differs: 'df -h .': /proc tells too little
# differs: 'free': /proc tells too little
# differs: 'ps aux': /proc tells too little
import subprocess as s
for cmd in ('ls -la','ls -l /usr/bin | head -1','echo a | tr a b','date +%Y','uname -s','whoami','id','pwd','env | wc -l','grep root /etc/passwd','sort -n <<< 3','find . -name "*.py"','df -h .','free','nproc','ps aux','mkdir d','touch f','cp main.py b.py','cp -p main.py c.py','cp -r d d2','mv b.py e.py','rm e.py','chmod +x main.py','ln -s main.py l','ln main.py h','tar czf a.tgz main.py','tar xzf a.tgz','gzip -k main.py','zip -q z.zip main.py','unzip -o z.zip','sed -i s/a/b/ f','awk BEGIN{print\ 1}','xargs echo < f','which python3','git --version','git init -q .','python3 -V','pip --version','pip list','curl --version','make --version','gcc --version','bash -c "echo $((1+1))"','bc <<< 1+1','mktemp','du -sh .','stat main.py','head -1 main.py','wc -l main.py','md5sum main.py','diff main.py main.py','seq 3','sleep 0','timeout 1 true','kill -l','hostname','tee x </dev/null','file main.py','perl -e 1','install -m 644 main.py i.py','truncate -s 10 f2','dd if=/dev/zero of=f3 bs=1k count=2','mkfifo ff','nice true','ionice true','nohup true','time true','script -c true','column -t main.py','python3 -m venv --without-pip v','python3 -m zipfile -l z.zip','python3 -m json.tool <<< {}','sqlite3 :memory: "select 1"'):
    p=s.run(['bash','-c',cmd],capture_output=True,text=True,errors='replace',timeout=10)
    if p.returncode or p.stderr.strip(): print(repr(cmd),p.returncode,p.stderr.strip().splitlines()[-1:])
