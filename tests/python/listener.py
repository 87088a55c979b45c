"""A program that only listens, through an official NATS client, while everything around it is restarted.

It follows transfers of the protocol `events` by their JSON events alone, from `money.debited` to `transfer.completed` or through
`money.compensated`, while actors die, the node is killed with SIGKILL twice, and the stream of events is deleted once.
It drops doubles by `(shard, seq)`, and finds that those of each journal come in order. When all has ended, what it knows is compared
with what the doors say: each transfer's legs as `transfer.get` has them, and exactly the postings that `account.statement` has, with
balances that chain from zero without a hole.

    python3 tests/python/listener.py target/release/remit [--transfers 4000] [--accounts 5] [--seed 1]

Needs nats-py (docker/setup.sh puts it into target/tools/python: set PYTHONPATH).
"""

import argparse
import asyncio
import collections
import json
import os
import sys
import tempfile
import time

import nats
import nats.errors
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from new_user import FUNDS, Afternoon, Client, Node

STREAM = "remit-events"
SETTINGS = {
    "REMIT__EVENTS__PUBLISH": "true",
    "REMIT__FAULTS__KILL_ACTOR_EVERY_MS": "100",
    # They die more often than any that should be set aside, or left alone for long, for it.
    "REMIT__SUPERVISION__FAILURES_MAX": "1000",
    "REMIT__SUPERVISION__RESTART_FIRST_MS": "20",
    "REMIT__SUPERVISION__RESTART_MAX_MS": "200",
}
# Events that are postings, and whether they add to the balance.
POSTINGS = {"money.debited": -1, "money.credited": 1, "money.compensated": 1}
# What may have been heard of a leg that is in this state.
HEARD_OF_LEG = {
    ("posted", "debit"): [["money.debited"], ["money.held", "money.debited"]],
    ("posted", "credit"): [["money.credited"], ["money.held", "money.credited"]],
    ("compensated", "debit"): [["money.debited", "money.compensated"]],
    ("released", "credit"): [["money.held", "money.released"]],
    ("released", "debit"): [["money.held", "money.released"]],
    ("refused", "debit"): [["money.debit.refused"]],
    ("refused", "credit"): [["money.credit.refused"]],
    # A manager that was restarted hears of its undo alone that the leg never was, and not that it was refused.
    ("cancelled", "debit"): [[], ["money.debit.refused"]],
    ("cancelled", "credit"): [[], ["money.credit.refused"]],
}
# So many facts are heard between one trouble and the next.
NEWS = 250
# So many actors have died at least before the stream is deleted.
DEATHS = 5
# A bound for what should take seconds.
SOON = 240

# So many messages are read a second time whenever the connection was lost: more than a broker has in memory alone.
BACK = 10_000


class Listener:
    """Reads the stream of events, and nothing else, and drops doubles."""

    def __init__(self, url):
        self.url = url
        self.facts = {}
        self.newest = collections.Counter()
        self.ends = {}
        self.doubles = 0
        self.streams = []
        self.number = 0
        # Said rather than done by a cancellation, which nats-py's fetch may swallow.
        self.is_over = False

    async def listen(self):
        connection = await nats.connect(self.url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
        while not self.is_over:
            try:
                await self.read(connection.jetstream())
            except (nats.errors.Error, asyncio.TimeoutError):
                # The node, its broker or the stream is away: the same once more, from where we were.
                await asyncio.sleep(0.05)

    async def read(self, jetstream):
        info = await jetstream.stream_info(STREAM)
        if not self.streams or self.streams[-1] != info.created:
            # Another stream than before: from its beginning.
            self.streams.append(info.created)
            self.number = 0
        # A broker that was killed has lost what it had not yet written, also of what was heard, and gives those numbers a second time.
        self.number = max(0, min(self.number, info.state.last_seq) - BACK)
        config = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=self.number + 1)
        config = config.evolve(ack_policy=AckPolicy.NONE, mem_storage=True, inactive_threshold=30)
        consumer = await jetstream.add_consumer(STREAM, config)
        subscription = await jetstream.pull_subscribe_bind(stream=STREAM, name=consumer.name)
        if (await jetstream.stream_info(STREAM)).created != info.created:
            # It was made anew in between, and the number is one of the stream before.
            return
        while not self.is_over:
            try:
                messages = await subscription.fetch(500, timeout=0.5)
            except nats.errors.TimeoutError:
                # Nothing is new, or there is nobody any more who would say so.
                await subscription.consumer_info()
                continue
            for message in messages:
                number = message.metadata.sequence.stream
                if number != self.number + 1:
                    # Nothing is acknowledged here, so what a broken connection has swallowed does not come again by itself.
                    return
                self.number = number
                self.take(message)

    def take(self, message):
        fact = json.loads(message.data)
        key = (fact["shard"], fact["seq"])
        assert message.subject == f"remit.v1.event.{fact['event']}", message
        assert message.headers["Nats-Msg-Id"] == f"{fact['shard']}.{fact['seq']}", message
        if key in self.facts:
            assert self.facts[key] == fact, f"two facts under one id: {self.facts[key]} and {fact}"
            self.doubles += 1
            return
        assert fact["seq"] > self.newest[fact["shard"]], f"{fact} comes after row {self.newest[fact['shard']]}"
        self.newest[fact["shard"]] = fact["seq"]
        self.facts[key] = fact
        if fact["event"].startswith("transfer.") and fact["event"] != "transfer.parked":
            end = (fact["event"].removeprefix("transfer."), fact.get("reason"))
            assert fact["transfer"] not in self.ends, f"{fact['transfer']} has two ends"
            self.ends[fact["transfer"]] = end

    def of_legs(self):
        """What was heard of each leg, in order: (transfer, leg) to facts."""
        legs = collections.defaultdict(list)
        # A leg is in one journal.
        for _, fact in sorted(self.facts.items()):
            if "leg" in fact:
                legs[fact["transfer"], fact["leg"]].append(fact)
        return legs

    def of_accounts(self):
        """The postings of each account, in order."""
        accounts = collections.defaultdict(list)
        for _, fact in sorted(self.facts.items()):
            if fact["event"] in POSTINGS:
                accounts[fact["account"]].append(fact)
        return accounts


class Impatient(Client):
    """Asks again soon: a request may have died with its actor."""

    async def ask(self, verb, body, timeout=6):
        return await super().ask(verb, body, timeout)


async def told(client, verb, body):
    """The answer, asked for again while an actor that has just died does not give it."""
    until = time.monotonic() + SOON
    while True:
        answer = await client.ask(verb, body)
        if answer is not None and "error" not in answer:
            return answer
        assert time.monotonic() < until, (verb, body, answer)
        await asyncio.sleep(0.02)


class Watched(Afternoon):
    """The afternoon's load, all of it in the protocol `events`, with somebody who listens."""

    def body(self):
        return super().body() | {"protocol": "events"}

    async def until(self, what, holds, listening, bound=SOON):
        until = time.monotonic() + bound
        while not holds():
            if listening.done():
                listening.result()
            assert time.monotonic() < until, f"not so in time: {what()}"
            await asyncio.sleep(0.02)

    async def load_with(self, client, listener, listening, share, trouble):
        """Goes on with the load, and lets trouble come when a share of it is submitted and news are heard."""
        wanted, heard = int(self.options.transfers * share), len(listener.facts)
        loading = asyncio.create_task(self.load(client, self.options.transfers))
        # Where all is submitted, little may come until those are submitted again whose requests died.
        has_news = lambda: len(listener.facts) >= heard + NEWS or len(self.bodies) >= self.options.transfers
        is_under_way = lambda: len(self.bodies) >= wanted and has_news()
        await self.until(lambda: f"{len(self.bodies)} submitted, {len(listener.facts)} heard", is_under_way, listening)
        await trouble()
        # By itself: nats-py may swallow a cancellation.
        self.enough = 0
        await loading

    async def run(self, node):
        ready = await asyncio.to_thread(node.start)
        connection = await nats.connect(ready["nats_url"], max_reconnect_attempts=-1, reconnect_time_wait=0.1)
        client, listener = Impatient(connection), Listener(ready["nats_url"])
        listening = asyncio.create_task(listener.listen())
        await self.open_accounts(client)

        async def kill():
            print(f"killed with SIGKILL; {len(listener.facts)} facts heard")
            node.kill()
            await asyncio.to_thread(node.start)

        async def delete():
            until = time.monotonic() + SOON
            while await self.deaths(client) < DEATHS:
                assert time.monotonic() < until, "actors do not die"
                await asyncio.sleep(0.02)
            print(f"the stream of events is deleted; {len(listener.facts)} facts heard")
            await connection.jetstream().delete_stream(STREAM)

        await self.load_with(client, listener, listening, 0.25, kill)
        await self.load_with(client, listener, listening, 0.5, delete)
        # The last quarter, and all that is asked in the end, without deaths: a request that dies with its actor is long waited for.
        del os.environ["REMIT__FAULTS__KILL_ACTOR_EVERY_MS"]
        await self.load_with(client, listener, listening, 0.75, kill)
        await self.load(client, self.options.transfers)
        await self.ask_until_all_have_ended(client)
        statements = await self.statements(client)
        expected = {key for postings in statements.values() for key in postings}
        missing = lambda: [key for key in expected if key not in listener.facts] + [
            identity for identity in self.bodies if identity not in listener.ends
        ]
        await self.until(lambda: f"{len(missing())} are not heard of, such as {missing()[:3]}", lambda: not missing(), listening)
        self.compare_postings(listener, statements)
        counts = await self.compare_transfers(client, listener)
        assert len(listener.streams) == 2, f"the stream was made {len(listener.streams)} times"
        assert listener.doubles > 0, "nothing was heard twice"
        await self.check(client)
        deaths = await self.deaths(client)
        listener.is_over = True
        await listening
        await connection.close()
        node.stop()
        print(f"{len(listener.facts)} facts heard, each journal's in order, {listener.doubles} of them more than once; {deaths} deaths")
        print(f"{len(expected)} postings are exactly those of the statements; {len(self.bodies)} transfers followed: {dict(counts)}")

    async def deaths(self, client):
        told_of = await told(client, "supervision.list", {"limit": 1000})
        return sum(event["event"] == "failed" for event in told_of["events"])

    async def statements(self, client):
        """All postings of all accounts as the doors say: account to {(shard, seq): posting}."""
        async def statement(account):
            postings, cursor = {}, None
            while True:
                body = {"id": account, "limit": 1000} | ({"cursor": cursor} if cursor else {})
                answer = await told(client, "account.statement", body)
                shard = account.split(":")[0]
                postings |= {(shard, posting["seq"]): posting for posting in answer["postings"]}
                cursor = answer["cursor"]
                if not cursor:
                    return postings

        accounts = ["s0:world", *self.accounts]
        return dict(zip(accounts, await asyncio.gather(*(statement(account) for account in accounts))))

    def compare_postings(self, listener, statements):
        """Exactly those postings, the same in every field, and each balance follows from the one before."""
        heard = listener.of_accounts()
        assert set(heard) <= set(statements), set(heard) - set(statements)
        for account, postings in statements.items():
            facts = {(fact["shard"], fact["seq"]): fact for fact in heard[account]}
            assert facts.keys() == postings.keys(), (account, facts.keys() ^ postings.keys())
            for key, posting in postings.items():
                fields = ("at", "transfer", "direction", "amount", "balance", "memo")
                told = {field: facts[key].get(field) for field in fields}
                assert told == {field: posting[field] for field in fields}, (told, posting)
            balance = 0
            for fact in heard[account]:
                assert (POSTINGS[fact["event"]] > 0) == (fact["direction"] == "credit"), fact
                balance += POSTINGS[fact["event"]] * fact["amount"]
                assert fact["balance"] == balance, f"{fact} does not follow from what was heard before it"
            if account != "s0:world":
                assert heard[account][0]["amount"] == FUNDS

    async def compare_transfers(self, client, listener):
        """Each transfer, with what was heard of each of its legs, is as the doors have it."""
        legs, counts = listener.of_legs(), collections.Counter()

        async def compare(identity):
            answer = await told(client, "transfer.get", {"id": identity})
            assert answer["protocol"] == "events" and listener.ends[identity] == (answer["status"], answer["reason"]), answer
            for number, leg in enumerate(answer["legs"]):
                facts = legs[identity, number]
                if (leg["state"], answer["status"]) == ("pending", "completed"):
                    # Its manager has not heard of the debit itself: that the credit is done says enough.
                    leg["state"] = "posted"
                words = [fact["event"] for fact in facts]
                assert words in HEARD_OF_LEG.get((leg["state"], leg["direction"]), []), (words, leg, answer)
                for fact in facts:
                    same = ("account", "amount", "currency")
                    assert {field: fact[field] for field in same} == {field: leg[field] for field in same}, (fact, leg)
                if words == ["money.debited", "money.compensated"]:
                    counts["compensated legs"] += 1
            counts[answer["status"]] += 1

        identities = list(self.bodies)
        for start in range(0, len(identities), 200):
            await asyncio.gather(*(compare(identity) for identity in identities[start:start + 200]))
        assert all(counts[kind] for kind in ("completed", "rejected", "compensated", "compensated legs")), counts
        return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", help="the remit program")
    parser.add_argument("--transfers", type=int, default=4_000)
    parser.add_argument("--accounts", type=int, default=5, help="on each of the 16 shards")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    os.environ.update(SETTINGS)
    with tempfile.TemporaryDirectory() as folder:
        node = Node(options.program, folder)
        try:
            asyncio.run(Watched(options).run(node))
        except BaseException:
            print((node.folder / "log").read_text()[-4000:], file=sys.stderr)
            raise
        finally:
            if node.process and node.process.poll() is None:
                node.process.terminate()
                node.process.wait(timeout=60)


if __name__ == "__main__":
    main()
