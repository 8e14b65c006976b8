#!/bin/sh
# Runs in a Debian that was started for it, and writes what it finds: a verdict, what was checked, and
# what was found, with tabs between.

check() {
    what=$1
    shift
    if found=$("$@" 2>&1); then verdict=ok; else verdict=FAILED; fi
    printf '%s\t%s\t%s\n' "$verdict" "$what" "$(printf '%s' "$found" | tr '\n\t' '; ')" >>/trial/result
}

pid() {
    systemctl show --property=MainPID --value kola
}

is_ready() {
    tries=120
    until kola ready; do
        tries=$((tries - 1))
        if [ "$tries" = 0 ]; then
            systemctl status --no-pager kola >&2
            return 1
        fi
        sleep 0.5
    done >/dev/null
    echo "it is ready"
}

has_no_rights() {
    for line in 'CapEff:.0000000000000000' 'CapBnd:.0000000000000000' 'NoNewPrivs:.1' 'Seccomp:.2'; do
        grep -x "$line" "/proc/$(pid)/status" || return 1
    done
    stat --format='user %U' "/proc/$(pid)" | grep -x 'user kola'
}

writes_nowhere_else() {
    for folder in / /etc /etc/kola /usr /var /var/log /var/lib /opt; do
        if nsenter --target "$(pid)" --mount touch "$folder/trial"; then
            echo "$folder can be written"
            return 1
        fi
    done 2>/dev/null
    nsenter --target "$(pid)" --mount touch /var/lib/kola/trial && echo "only in its folder"
}

keeps_secrets() {
    if journalctl --no-pager --unit=kola | grep -i -e client_ -e secret; then return 1; fi
    echo "nothing of the kind in the journal"
}

operator() {
    runuser -u kola -- kola --config /etc/kola/kola.toml "$@"
}

pays() {
    operator --json merchant create --name Trial --type ORGANIZATION >/trial/merchant || return 1
    field() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/" /trial/merchant; }
    KOLA_CLIENT_SECRET=$(field client_secret) kola demo --url http://127.0.0.1:8080 \
        --client-id "$(field client_id)" >/trial/demo || return 1
    operator --json wallet list >/trial/wallets || return 1
    operator ledger verify >/dev/null || return 1
    echo "$(grep -c COMPLETED /trial/demo) sessions, and the ledger is right" | grep '^4'
}

starts_again() {
    before=$(pid)
    kill -9 "$before"
    while [ "$(pid)" = "$before" ]; do sleep 0.1; done
    is_ready >/dev/null && echo "after kill -9 another process serves"
}

upgrades() {
    before=$(pid)
    dpkg --install /trial/newer.deb >/trial/dpkg || return 1
    is_ready || return 1
    if [ "$(pid)" = "$before" ]; then
        echo "the old process still runs"
        return 1
    fi
    operator --json wallet list | cmp - /trial/wallets || return 1
    systemctl is-enabled kola
}

stays_stopped() {
    # A wrong setting is no reason to start again and again.
    echo 'no-such-setting = 1' >>/etc/kola/kola.toml
    systemctl restart kola
    sleep 5
    systemctl show --property=ActiveState,NRestarts kola | tr '\n' ' ' | grep 'NRestarts=0 ActiveState=failed\|ActiveState=failed NRestarts=0'
    found=$?
    sed -i '/no-such-setting/d' /etc/kola/kola.toml
    systemctl reset-failed kola
    systemctl start kola
    is_ready >/dev/null && return "$found"
}

is_removed() {
    dpkg --remove kola >/dev/null || return 1
    if systemctl is-active kola || pgrep -x kola; then return 1; fi
    ls /var/lib/kola/kola.db /etc/kola/kola.toml
}

check 'under systemd: the installed service starts' is_ready
check 'under systemd: its rights' has_no_rights
check 'under systemd: where it can write' writes_nowhere_else
check 'under systemd: secrets' keeps_secrets
check 'under systemd: payments' pays
check 'under systemd: a process that dies' starts_again
check 'under systemd: upgrade' upgrades
check 'under systemd: a wrong setting' stays_stopped
check 'under systemd: removal' is_removed
echo "end" >>/trial/result
