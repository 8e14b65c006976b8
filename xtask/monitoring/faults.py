"""Plants a real fault for each alert of ops/prometheus/alerts.yml, and waits until a real Prometheus says
that it fires. Before its fault each is silent. Times in the alerts are made shorter, see `hurried`:
nothing else of them is changed. Needs root, for a small disk."""

import atexit
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from loopback import done, http, until

BINARIES, ROOT, RUN = (pathlib.Path(path) for path in sys.argv[1:4])
POSTGRES, ONLY = sys.argv[4], sys.argv[5:]
DISK = RUN / "disk"
DATABASE, KEY, ALERTS = DISK / "kola.db", RUN / "key", ROOT / "ops/prometheus/alerts.yml"
GOOD, CONTRADICTED = "231880000001", "231880000179"
seen, programs, faults = [], [], []


def begin(*arguments, **more):
    """A program that is killed when this one ends, with what it has started."""
    programs.append(subprocess.Popen(*arguments, start_new_session=True, **more))
    return programs[-1]


# A program that is told to end ends its own, too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


@atexit.register
def end_all():
    for program in programs:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()


def hurried(rules):
    """The same alerts, with times that a test can wait for."""
    rules = re.sub(r"for: \w+", "for: 2s", rules)
    rules = re.sub(r"\[\d+[mh]\]", "[15s]", rules)
    # How old the last verification and backup, and how overdue work may be.
    return rules.replace("2 * 86400", "30").replace("26 * 3600", "30").replace("> 300", "> 5").replace("> 600", "> 5")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment():
    keep = {name: value for name, value in os.environ.items() if not name.startswith("KOLA_")}
    return {name: value for name, value in keep.items() if not name.lower().endswith("_proxy")}


def kola(*arguments, given=None, database=f"sqlite:{DATABASE}", prefix=()):
    command = [*prefix, BINARIES / "kola", *arguments, "--database", database]
    ran = subprocess.run(command, input=given, capture_output=True, text=True, env=environment() | {"KOLA_SECRETS_KEY_FILE": str(KEY)})
    assert ran.returncode == 0, (arguments, ran.stdout, ran.stderr)
    return ran.stdout


class Server:
    """`kola serve`, always at the same addresses."""

    def __init__(self, database, prefix=(), settings=None, count=0):
        self.listen, self.metrics = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.database, self.prefix, self.settings, self.process = database, list(prefix), settings or {}, None
        self.log = open(RUN / f"server-{count}.log", "ab")
        self.start()

    def start(self, **settings):
        settings = self.settings | {"KOLA_LISTEN": self.listen, "KOLA_METRICS": self.metrics, "KOLA_SANDBOX_DELAY_MS": "0"} | settings
        settings |= {"KOLA_DATABASE": self.database, "KOLA_SECRETS_KEY_FILE": str(KEY)}
        command = [*self.prefix, BINARIES / "kola", "serve"]
        self.process = begin(command, env=environment() | settings, stdout=subprocess.PIPE, stderr=self.log, text=True)
        for line in self.process.stdout:
            if line.startswith("kola listening"):
                break
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def stop(self):
        # With `faketime` the server is a child of the process.
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(60)

    def restart(self, **settings):
        self.stop()
        self.start(**settings)


class Fakes:
    def __init__(self):
        ports = [free_port() for _ in range(3)]
        self.pawapay, self.stripe, self.control = (f"http://127.0.0.1:{port}" for port in ports)
        self.arguments = sum(([f"--{name}", f"127.0.0.1:{port}"] for name, port in zip(("pawapay", "stripe", "control"), ports)), [])
        self.callback = []
        self.start()

    def start(self):
        self.process = begin([BINARIES / "fakes", "--delay-ms", "0", *self.arguments, *self.callback], stdout=subprocess.PIPE, text=True)
        said = [self.process.stdout.readline() for _ in range(4)]
        self.token, self.secret_key = said[0].split()[-1], said[1].split()[-1]
        self.publishable, self.webhook = said[2].split()[2].rstrip(","), said[2].split()[-1]

    def stop(self):
        self.process.kill()
        self.process.wait()

    def fault(self, **fault):
        done("POST", f"{self.control}/faults", body=fault)

    def mend(self):
        done("DELETE", f"{self.control}/faults")


class Endpoint(BaseHTTPRequestHandler):
    status = 204

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(Endpoint.status)
        self.end_headers()

    def log_message(self, *_):
        pass


class Shop:
    def __init__(self, server, mode):
        self.url = f"http://{server.listen}"
        made = json.loads(kola("merchant", "create", "--name", mode, "--type", "ORGANIZATION", "--mode", mode, "--json", database=server.database))
        self.credentials = {name: made[name] for name in ("client_id", "client_secret")}
        self.token = None
        party = self.post("/v1/parties/create", {"fullname": "Ama Kollie", "phone": GOOD})
        self.party = party["id"]
        self.customer = self.post("/v1/counterparties/create", {"relationship_type": "CUSTOMER", "party_id": self.party})["id"]

    def http(self, method, path, body=None):
        if not self.token:
            self.token = done("POST", f"{self.url}/v1/jwt/client/obtain/token", body=self.credentials)["access_token"]
        return http(method, self.url + path, body=body, token=self.token)

    def post(self, path, body, method="POST"):
        status, answer = self.http(method, path, body)
        assert status == 200, (path, status, answer)
        return answer

    def account(self, number, provider="PAWAPAY", method="MTN_MOMO_LBR"):
        account = {"account_name": "Ama Kollie", "provider": provider, "method": method, "party_id": self.party, "insensitive_account_number": number}
        return self.post("/v1/payment-accounts/create?operation_type=COLLECTION", account)["id"]

    def pay(self, account):
        """Begins a payment, and answers what is said of it; nothing where it is refused for now."""
        item = {"name": "Rice", "currency": "USD", "qty": 1, "amount": 10}
        invoice = {"counterparty_id": self.customer, "currency": "USD", "note": "Rice", "fee_bearer": "PAYER", "as_payment_link": False}
        status, source = self.http("POST", "/v1/invoices/create", invoice)
        if status != 200:
            return None
        self.http("POST", f"/v1/invoices/{source['id']}/items/add", item)
        self.http("PUT", f"/v1/invoices/publish/{source['id']}")
        status, session = self.http("POST", "/v1/sessions/checkout", {"source_id": source["id"], "source_type": "INVOICE"})
        if status != 200:
            return None
        execution = {"session_id": session["id"], "payment_account_id": account, "currency": "USD", "reference_id": str(uuid.uuid4())}
        status, answer = self.http("POST", "/v1/executions/collection", execution)
        return answer if status == 200 else None


class Prometheus:
    def __init__(self, servers):
        targets = [server.metrics for server in servers]
        (RUN / "alerts.yml").write_text(hurried(ALERTS.read_text()))
        (RUN / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RUN / "alerts.yml")],
            "scrape_configs": [{"job_name": "kola", "static_configs": [{"targets": targets}]}],
        }))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process = begin(
            ["prometheus", f"--config.file={RUN}/prometheus.yml", f"--storage.tsdb.path={RUN}/prometheus", f"--web.listen-address=127.0.0.1:{port}"],
            env=environment(), stderr=open(RUN / "prometheus.log", "wb"))
        until("Prometheus", self.is_there)

    def is_there(self):
        try:
            return http("GET", f"{self.url}/-/ready")[0] == 200
        except OSError:
            return False

    def ask(self, question):
        return done("GET", f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': question})}")["data"]["result"]

    def firing(self):
        return {one["metric"]["alertname"] for one in self.ask('ALERTS{alertstate="firing"}')}


def silent_before(alert):
    """Waits until the alert is silent, and answers what waits until it fires."""
    until(f"{alert} is silent", lambda: alert not in prometheus.firing())
    begun = time.monotonic()

    def wait():
        until(f"{alert} fires", lambda: alert in prometheus.firing())
        seen.append(alert)
        print(f"{alert}: silent before, fires {time.monotonic() - begun:.0f} s after its fault", flush=True)

    return wait


def plants(*alerts):
    """A fault, with the alerts that it must set off. It is given what waits for each of them."""

    def take(fault):
        faults.append((alerts, fault))
        return fault

    return take


def again_and_again(act):
    """Does something until the block is left."""
    stop = threading.Event()

    def loop():
        while not stop.is_set():
            with contextlib.suppress(OSError, AssertionError):
                act()
            time.sleep(0.05)

    @contextlib.contextmanager
    def running():
        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(120)

    return running()


@contextlib.contextmanager
def locked(seconds, pause):
    """Another program holds the lock of the database again and again."""

    def hold():
        connection = sqlite3.connect(DATABASE, timeout=30, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
        connection.close()
        time.sleep(pause)

    with again_and_again(hold):
        yield


DISK.mkdir(parents=True)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", DISK], check=True)
subprocess.run([BINARIES / "kola", "secrets", "init-key", KEY], check=True, capture_output=True, env=environment())
fakes = Fakes()
kola("merchant", "create", "--name", "First", "--type", "ORGANIZATION")
pawapay = json.loads(kola("networks", "add", "--network", "pawapay", "--mode", "test", "--name", "pawaPay", "--base-url", fakes.pawapay, "--json", given=json.dumps({"token": fakes.token})))
stripe = json.loads(kola("networks", "add", "--network", "stripe", "--mode", "test", "--name", "Stripe", "--base-url", fakes.stripe, "--json",
                         given=json.dumps({"secret_key": fakes.secret_key, "publishable_key": fakes.publishable, "webhook_secret": fakes.webhook})))
kola("ledger", "verify")
kola("db", "backup", str(RUN / "first.db"))
server = Server(f"sqlite:{DATABASE}", count=1)
other = Server(POSTGRES, prefix=["faketime", "-f", os.environ.get("OFFSET", "+0s")], count=2)
callback = f"http://{server.listen}" + stripe["callback_url"][stripe["callback_url"].index("/callbacks/"):]
fakes.stop()
fakes.callback = ["--callback", callback]
fakes.start()
prometheus = Prometheus([server, other])
sandbox, test = Shop(server, "sandbox"), Shop(server, "test")
good, momo, card = sandbox.account(GOOD), test.account(GOOD), test.account("pm_card_visa", "STRIPE", "CREDIT_CARD")
receiver = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
sandbox.post("/v1/webhook-endpoints/create", {"url": f"http://127.0.0.1:{receiver.server_port}/hooks"})


def fresh():
    """The checks that grow old are done again."""
    kola("ledger", "verify")
    shutil.rmtree(RUN / "backups", ignore_errors=True)
    (RUN / "backups").mkdir()
    kola("db", "backup", str(RUN / "backups/now.db"))
    kola("ledger", "verify", database=POSTGRES)
    kola("db", "note-backup", database=POSTGRES)


fresh()
until("all is quiet", lambda: not prometheus.firing())
paid = sandbox.pay(good)
assert paid and paid["status"] == "COMPLETED", paid
assert test.pay(momo) and test.pay(card)
time.sleep(5)
assert not prometheus.firing(), prometheus.firing()
print("silent while all is well", flush=True)

@plants("KolaVerifyOld", "KolaBackupOld")
def old_checks(verify, backup):
    verify()
    backup()
    fresh()


@plants("KolaDown", "KolaRestarts")
def ended_and_started(down, restarts):
    server.stop()
    down()
    server.start()
    for _ in range(5):
        time.sleep(1.5)
        server.restart()
    restarts()


@plants("KolaDatabaseDown", "KolaErrors")
def moved_database(down, errors):
    moved = DISK / "moved.db"
    DATABASE.rename(moved)
    with again_and_again(lambda: sandbox.pay(good)):
        down()
        errors()
    moved.rename(DATABASE)


@plants("KolaCommitsSlow")
def held_lock(slow):
    with locked(0.8, 0.05), again_and_again(lambda: sandbox.pay(good)):
        slow()


@plants("KolaOverloaded", "KolaWorkOverdue")
def held_lock_for_long(overloaded, overdue):
    fakes.fault(network="PAWAPAY", kind="STUCK", times=100)
    for _ in range(3):
        test.pay(momo)
    with locked(20, 0.05), again_and_again(lambda: sandbox.pay(good)), again_and_again(lambda: sandbox.pay(good)):
        overloaded()
        overdue()
    fakes.mend()


def network_fault(wait, *faults):
    """Payments go on while the network has these faults."""
    for fault in faults:
        fakes.fault(network="PAWAPAY", times=100000, **fault)
    with again_and_again(lambda: test.pay(momo)):
        wait()
    fakes.mend()


@plants("KolaNetworkSilent")
def broken_answers(silent):
    # Fewer in a row than after which the network counts as down.
    fakes.fault(network="PAWAPAY", kind="SERVER_ERROR", times=8)
    network_fault(silent)


@plants("KolaNetworkUnavailable")
def no_network(unavailable):
    fakes.stop()
    with again_and_again(lambda: test.pay(momo)):
        unavailable()
    fakes.start()


@plants("KolaNetworkUnknownWords")
def unknown_word(unknown):
    network_fault(unknown, {"kind": "STUCK"}, {"kind": "WORD", "status": "DREAMING"})


@plants("KolaTokenRefused")
def refused_token(refused):
    network_fault(refused, {"kind": "REFUSED", "status": 401})
    kola("networks", "set-token", "--account", str(pawapay["id"]), given=fakes.token + "\n")


@plants("KolaCallbacksNotSigned")
def stranger(not_signed):
    with again_and_again(lambda: http("POST", callback, body={"id": "evt_1"})):
        not_signed()


@plants("KolaReviewOpen", "KolaMoneyInSuspense")
def contradiction(review, suspense):
    account = sandbox.account(CONTRADICTED)
    until("a payment that is contradicted", lambda: sandbox.pay(account))
    review()
    suspense()


def statement(kind, amount, prefix=()):
    """Compares a statement of one line, of three days ago."""
    day = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 3 * 86400))
    file = RUN / "statement.csv"
    file.write_text(
        "Creation Date,Transaction ID,Amount,Currency,Type\n"
        f"{day},{uuid.uuid4()},{amount},USD,{kind}\n"
    )
    kola("reconcile", "import", str(file), "--account", str(pawapay["id"]), prefix=prefix)


@plants("KolaReconciliationDiffers")
def unknown_payment(differs):
    statement("DEPOSIT", "12.34")
    differs()
    (found,) = json.loads(kola("reconcile", "differences", "--json"))
    kola("reconcile", "close", str(found["id"]), "--explained", "--evidence", "another program's")


@plants("KolaReconciliationStale")
def no_statement(stale):
    statement("TOP_UP", "1.00", prefix=["faketime", "-f", "-60h"])
    stale()
    statement("TOP_UP", "2.00")


@plants("KolaNetworkBalanceDrifts")
def other_balance(drifts):
    # What the network had before kola began is in no statement.
    kola("networks", "balances")
    drifts()


@plants("KolaDispute", "KolaDisputeDueSoon")
def dispute(disputed, due_soon):
    def succeeded():
        intents = done("GET", f"{fakes.control}/books")["stripe"]["payment_intents"]
        return [one for one in intents if one["status"] == "succeeded"]

    until("a card payment begins", lambda: test.pay(card))
    intent = until("a card payment", succeeded)[-1]
    dispute = {"payment_intent": intent["id"], "due_in_hours": 30}
    done("POST", f"{fakes.control}/stripe/disputes", body=dispute)
    disputed()
    due_soon()


@plants("KolaWebhooksLate")
def missing_key(late):
    KEY.rename(RUN / "key.moved")
    for _ in range(3):
        sandbox.pay(good)
    late()
    (RUN / "key.moved").rename(KEY)


@plants("KolaWebhookEndpointDisabled")
def gone_endpoint(disabled):
    Endpoint.status = 410
    sandbox.pay(good)
    disabled()


@plants("KolaConnectionsNearlyFull")
def many_connections(full):
    server.restart(KOLA_CONNECTIONS_MAX="40")
    host, port = server.listen.split(":")
    many = [socket.create_connection((host, int(port))) for _ in range(36)]
    full()
    for one in many:
        one.close()
    server.restart()


@plants("KolaFilesNearlyFull")
def few_files(full):
    count = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    subprocess.run(["prlimit", f"--pid={server.process.pid}", f"--nofile={count + 5}:"], check=True)
    full()
    server.restart()


@plants("KolaDiskNearlyFull")
def full_disk(full):
    ballast = DISK / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(DISK).free - 4 * 1024 * 1024))
    full()
    ballast.unlink()


@plants("KolaClockWrong")
def wrong_clock(wrong):
    other.stop()
    other.prefix = ["faketime", "-f", "+5s"]
    other.start()
    wrong()
    other.stop()
    other.prefix = []
    other.start()


@plants("KolaPayoutsStopped")
def stopped_payouts(stopped):
    kola("payouts", "stop", "--reason", "a test of the alert")
    stopped()
    kola("payouts", "resume", "--evidence", "the alert was seen")


@plants("KolaLedgerViolation")
def broken_books(violation):
    damage = sqlite3.connect(DATABASE, timeout=30)
    damage.execute("UPDATE wallets SET available_minor = available_minor + 1 WHERE id = (SELECT min(id) FROM wallets)")
    damage.commit()
    damage.close()
    found = subprocess.run([BINARIES / "kola", "ledger", "verify", "--database", f"sqlite:{DATABASE}"], capture_output=True, env=environment())
    assert found.returncode == 1, found.stderr
    violation()


names = set(re.findall(r"alert: (\w+)", ALERTS.read_text()))
planted = [alert for alerts, _ in faults for alert in alerts]
assert names == set(planted), names ^ set(planted)
for alerts, plant in faults:
    if not ONLY or set(alerts) & set(ONLY):
        fresh()
        waits = [silent_before(alert) for alert in alerts]
        plant(*waits)

server.stop()
other.stop()
print(f"{len(seen)} alerts were silent before their fault, and fired after it")
