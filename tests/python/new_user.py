"""A new user's afternoon with Remit, through an official NATS client.

Opens accounts on every shard, submits transfers in all three protocols with random duplicates, conflicts and invalid ones,
kills the node with SIGKILL in the middle, starts it again, and asks for every transfer until it has an end. Then: every
transfer has exactly one end, a repeat answers the same, the audit is exact, and the balances that the script works out from
the completed transfers are those in the SQLite files, read directly.

    python3 tests/python/new_user.py target/release/remit [--transfers 20000] [--accounts 100] [--seed 1]

Needs nats-py (docker/setup.sh puts it into target/tools/python: set PYTHONPATH).
"""

import argparse
import asyncio
import collections
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import nats
import nats.errors

PROTOCOLS = ("saga", "2pc", "events")
ENDS = ("completed", "rejected", "compensated")
FUNDS = 100_000


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def new_id(numbers):
    """A time-ordered UUID (version 7) whose random part comes from our seed."""
    value = int(time.time() * 1000) << 80 | 7 << 76 | numbers.getrandbits(12) << 64 | 2 << 62 | numbers.getrandbits(62)
    return str(uuid.UUID(int=value))


class Node:
    """A `remit up` on a folder of its own."""

    def __init__(self, program, folder):
        self.program, self.folder, self.port = program, Path(folder), free_port()
        self.process = None

    def start(self):
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        with open(self.folder / "log", "ab") as log:
            command = [self.program, "up", "--data", str(self.folder / "data"), "--nats-port", str(self.port)]
            command += ["--hops", "jetstream", "--ready-file", str(ready)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + 60
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > until:
                sys.exit(f"remit up did not come up:\n{(self.folder / 'log').read_text()[-4000:]}")
            time.sleep(0.02)
        return json.loads(ready.read_text())

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=60) == 0, "remit up did not drain"


class Client:
    """Requests with the contract's JSON, through nats-py."""

    def __init__(self, connection):
        self.connection = connection

    async def ask(self, verb, body, timeout=30):
        """The answer, or None if nobody answered: then nothing is known, and the same is asked again."""
        try:
            answer = await self.connection.request(f"remit.v1.{verb}", json.dumps(body).encode(), timeout=timeout)
        except (nats.errors.Error, asyncio.TimeoutError):
            return None
        body = json.loads(answer.data)
        if "error" in body:
            headers = answer.headers or {}
            assert "Nats-Service-Error" in headers and "Nats-Service-Error-Code" in headers, headers
        return body


def invalid_body(numbers, good):
    """A body that must be refused, and the field that must be named."""
    return numbers.choice([
        ({**good, "amount": 10.5}, "amount"),
        ({**good, "amount": 0}, "amount"),
        ({**good, "amount": "-1"}, "amount"),
        ({**good, "colour": "red"}, "colour"),
        ({**good, "currency": "EURO!"}, "currency"),
        ({**good, "protocol": "3pc"}, "protocol"),
        ({**good, "to": good["from"]}, "to"),
        ({**good, "from": "s99:nobody"}, "from"),
        ({**good, "deadline_ms": 99}, "deadline_ms"),
        ({key: value for key, value in good.items() if key != "id"}, "id"),
    ])


class Afternoon:
    def __init__(self, options):
        self.options = options
        self.numbers = random.Random(options.seed)
        self.accounts = [f"s{shard}:acct-{no}" for shard in range(16) for no in range(options.accounts)]
        self.bodies = {}
        self.ends = {}
        self.counts = collections.Counter()

    def body(self):
        numbers = self.numbers
        payer, payee = numbers.sample(self.accounts, 2)
        amount = numbers.randint(1, 500)
        kind = numbers.random()
        if kind < 0.03:
            payee = f"s{numbers.randrange(16)}:nobody"
        elif kind < 0.06:
            amount = 10 ** 9
        body = {"id": new_id(numbers), "amount": amount, "currency": "EUR", "from": payer, "to": payee}
        body |= {"protocol": numbers.choice(PROTOCOLS), "memo": "afternoon"}
        if kind > 0.9:
            third = numbers.choice([account for account in self.accounts[:50] if account not in (payer, payee)])
            legs = [(payer, "debit", amount + 1), (payee, "credit", amount), (third, "credit", 1)]
            legs = [{"account": account, "direction": way, "amount": part} for account, way, part in legs]
            body = {key: value for key, value in body.items() if key not in ("from", "to", "amount")} | {"legs": legs}
        return body

    def take(self, identity, result):
        """Takes in what is said of a transfer; an end, once told, never changes."""
        if result.get("status") in ENDS:
            told = (result["status"], result["reason"])
            assert self.ends.setdefault(identity, told) == told, f"the end of {identity} changed"

    async def open_accounts(self, client):
        async def opened(account, kind):
            answer = await client.ask("account.open", {"id": account, "currency": "EUR", "kind": kind})
            assert answer and answer["id"] == account, answer

        await opened("s0:world", "external")
        for start in range(0, len(self.accounts), 200):
            await asyncio.gather(*(opened(account, "customer") for account in self.accounts[start:start + 200]))
        for start in range(0, len(self.accounts), 1000):
            deposits = [
                {"id": new_id(self.numbers), "from": "s0:world", "to": account, "amount": FUNDS, "currency": "EUR"}
                for account in self.accounts[start:start + 1000]
            ]
            answer = await client.ask("transfer.submit_batch", {"transfers": deposits, "wait": "settled", "wait_ms": 60000})
            assert answer and all(result["status"] == "completed" for result in answer["results"]), answer

    async def submit_batch(self, client):
        """A batch with a few duplicates of what was sent before, in this batch and others."""
        batch = [self.body() for _ in range(self.numbers.randint(50, 250))]
        for body in batch:
            self.bodies[body["id"]] = body
        again = self.numbers.choices(list(self.bodies.values()), k=10)
        everything = batch + again
        wait = self.numbers.choice(["settled", "accepted"])
        answer = await client.ask("transfer.submit_batch", {"transfers": everything, "wait": wait, "answer": "brief"})
        if answer is None or "error" in answer:
            return
        self.counts["duplicates"] += len(again)
        for body, result in zip(everything, answer["results"], strict=True):
            if "error" in result:
                assert result["error"]["code"] in ("unavailable", "overloaded"), result
            else:
                assert result["id"] == body["id"]
                self.take(body["id"], result)

    async def submit_oddities(self, client):
        """One alone; the same id with another body; one that is invalid."""
        body = self.body()
        self.bodies[body["id"]] = body
        answer = await client.ask("transfer.submit", {**body, "wait": "settled"})
        if answer and "error" not in answer:
            self.take(body["id"], answer)
            other = await client.ask("transfer.submit", {**body, "memo": "another", "wait": "accepted"})
            if other and other.get("error", {}).get("code") != "unavailable":
                assert other["error"]["code"] == "conflict" and other["error"]["fields"] == ["memo"], other
                self.counts["conflicts"] += 1
        good = {"id": new_id(self.numbers), "from": "s1:acct-0", "to": "s2:acct-0", "amount": 1, "currency": "EUR"}
        wrong, field = invalid_body(self.numbers, good)
        answer = await client.ask("transfer.submit", wrong)
        if answer:
            assert answer["error"]["code"] == "invalid_request" and answer["error"]["field"] == field, (wrong, answer)
            self.counts["invalid"] += 1

    async def load(self, client, until):
        """Several clients at once, until so many transfers have been submitted."""
        self.enough = until

        async def one():
            while len(self.bodies) < self.enough:
                await self.submit_batch(client)
                await self.submit_oddities(client)

        await asyncio.gather(*(one() for _ in range(8)))

    async def ask_until_all_have_ended(self, client):
        """Sends the same ids again, which moves nothing twice, until each has its end."""
        until = time.monotonic() + 120
        while missing := [body for identity, body in self.bodies.items() if identity not in self.ends]:
            assert time.monotonic() < until, f"{len(missing)} transfers have no end, such as {missing[0]}"
            for start in range(0, len(missing), 1000):
                some = missing[start:start + 1000]
                answer = await client.ask("transfer.submit_batch", {"transfers": some, "wait": "settled", "answer": "brief"})
                for body, result in zip(some, (answer or {}).get("results", [])):
                    self.take(body["id"], result)

    async def check(self, client):
        for identity in self.numbers.sample(list(self.bodies), min(500, len(self.bodies))):
            answer = await client.ask("transfer.get", {"id": identity})
            assert (answer["status"], answer["reason"]) == self.ends[identity], answer
        for depth in ("quick", "full"):
            audit = await client.ask("audit.run", {"depth": depth}, timeout=120)
            assert audit["ok"] and all(found["drift"] == 0 and found["sum"] == 0 for found in audit["currencies"]), audit
        deployment = await client.ask("deployment.get", {})
        assert deployment["totals"]["open"] == 0 and deployment["totals"]["parked"] == 0, deployment

    def expected(self):
        """What each account must have, from the transfers that completed alone."""
        balances = dict.fromkeys(self.accounts, FUNDS)
        for identity, (status, _) in self.ends.items():
            if status == "completed":
                body = self.bodies[identity]
                legs = body.get("legs") or [
                    {"account": body["from"], "direction": "debit", "amount": body["amount"]},
                    {"account": body["to"], "direction": "credit", "amount": body["amount"]},
                ]
                for leg in legs:
                    balances[leg["account"]] += leg["amount"] if leg["direction"] == "credit" else -leg["amount"]
        return balances

    def compare_files(self, folder):
        """Reads the SQLite files, as anyone can."""
        found, total = {}, 0
        for file in sorted(folder.glob("data/shards/*.db")):
            with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                rows = database.execute("SELECT account, kind, posted, held, incoming FROM balance").fetchall()
            assert sum(posted for _, _, posted, _, _ in rows) == 0, f"{file} does not balance by itself"
            assert all(held == incoming == 0 for *_, held, incoming in rows), f"{file} has holds that nobody accounts for"
            total += sum(posted for _, kind, posted, _, _ in rows if kind == "in_transit")
            found |= {account: posted for account, kind, posted, _, _ in rows if kind == "customer"}
        assert total == 0, f"{total} is in transit, and nothing is in flight"
        expected = self.expected()
        differing = {account: (found.get(account), amount) for account, amount in expected.items() if found.get(account) != amount}
        assert not differing, f"{len(differing)} accounts differ, such as {next(iter(differing.items()))}"
        ended = collections.Counter()
        for file in sorted(folder.glob("data/managers/*.db")):
            with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
                ended.update(dict(database.execute("SELECT status, count(*) FROM transfer GROUP BY status").fetchall()))
        assert set(ended) <= set(ENDS), ended
        assert sum(ended.values()) == len(self.bodies) + len(self.accounts), ended

    async def run(self, node):
        ready = node.start()
        connection = await nats.connect(ready["nats_url"], max_reconnect_attempts=-1, reconnect_time_wait=0.2)
        client = Client(connection)
        await self.open_accounts(client)
        print(f"{len(self.accounts)} accounts opened and funded on 16 shards")

        loading = asyncio.create_task(self.load(client, self.options.transfers))
        while len(self.bodies) < self.options.transfers // 2:
            await asyncio.sleep(0.01)
        node.kill()
        # Whoever still waits for an answer need not wait for the time-out: nothing more will come.
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
        before = len(self.ends)
        print(f"killed with SIGKILL after {len(self.bodies)} transfers were submitted; {before} ends were known")

        await connection.close()
        began = time.monotonic()
        ready = node.start()
        took = time.monotonic() - began
        connection = await nats.connect(ready["nats_url"])
        client = Client(connection)
        await self.load(client, self.options.transfers)
        await self.ask_until_all_have_ended(client)
        await self.check(client)
        await connection.close()
        node.stop()
        self.compare_files(node.folder)
        statuses = collections.Counter(status for status, _ in self.ends.values())
        reasons = collections.Counter(reason for _, reason in self.ends.values() if reason)
        print(f"served again {took:.2f} s after the start; {len(self.ends)} transfers, each with one end: {dict(statuses)}")
        print(f"reasons: {dict(reasons)}; {dict(self.counts)} on the way")
        print("the audit is exact, quick and full, and the sums of the SQLite files agree")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", help="the remit program")
    parser.add_argument("--transfers", type=int, default=20_000)
    parser.add_argument("--accounts", type=int, default=100, help="on each of the 16 shards")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory() as folder:
        node = Node(options.program, folder)
        try:
            asyncio.run(Afternoon(options).run(node))
        except BaseException:
            print((node.folder / "log").read_text()[-4000:], file=sys.stderr)
            raise
        finally:
            if node.process and node.process.poll() is None:
                node.process.terminate()
                node.process.wait(timeout=60)


if __name__ == "__main__":
    main()
