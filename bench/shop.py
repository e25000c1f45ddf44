"""A shop of 21 rows a customer over seven tables, and the SQL that a careful person would write to erase some of its customers.

Seven tables with foreign keys and an index behind each; two are reached only through another (items by orders, events by sessions). Rows
are laid in the order in which a shop would have got them, so that a customer's lie apart and their pages hold other people's too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
import sqlalchemy as sa

KEYS = 500
"""Customers per transaction of the hand-written SQL: the fastest of those measured (500 keys 6.0 s, all keys at once 7.5 s)."""

COPY_ROWS = 5_000
"""Rows per write to COPY: some hundred kB, so that neither side waits for the other."""


@dataclass(frozen=True)
class Table:
    """A table: its columns in SQL, how many rows each customer has, and a row's text for COPY from its number, customer and round."""

    name: str
    columns: str
    each: int
    row: Callable[[int, int, int, int], str]
    links: tuple[tuple[str, str], ...] = ()


def _customer(number: int, _customer: int, _round: int, _all: int) -> str:
    return f"{number}\tc{number}@shop.example\tCustomer Number {number}\t+44 20 {number:08d}\n"


def _address(number: int, customer: int, _round: int, _all: int) -> str:
    return f"{number}\t{customer}\t{number} Long Street\tTown {customer % 997}\n"


def _order(number: int, customer: int, round_: int, _all: int) -> str:
    return f"{number}\t{customer}\t2024-0{round_ + 1}-01T10:00:00Z\t{number % 90_000}\n"


def _item(number: int, customer: int, round_: int, all_: int) -> str:
    return f"{number}\t{customer + round_ % 3 * all_}\tsku-{number % 5_003}\tengraved for {customer}\n"


def _payment(number: int, customer: int, round_: int, all_: int) -> str:
    return f"{number}\t{customer + round_ * all_}\tcard ending {number % 10_000:04d}\tHolder {customer}\n"


def _session(number: int, customer: int, _round: int, _all: int) -> str:
    return f"{number}\t{customer}\tMozilla/5.0 (device {number % 701})\t10.{number % 256}.{number // 256 % 256}.7\n"


def _event(number: int, customer: int, round_: int, all_: int) -> str:
    return f"{number}\t{customer + round_ % 2 * all_}\tview\t/product/{number % 5_003}?visitor={customer}\n"


TABLES = (
    Table("customers", "id bigint, email text NOT NULL, name text, phone text", 1, _customer),
    Table("addresses", "id bigint, customer_id bigint NOT NULL, street text, city text", 2, _address, (("customer_id", "customers"),)),
    Table(
        "orders", "id bigint, customer_id bigint NOT NULL, placed_at timestamptz, total integer", 3, _order, (("customer_id", "customers"),)
    ),
    Table("order_items", "id bigint, order_id bigint NOT NULL, sku text, wish text", 6, _item, (("order_id", "orders"),)),
    Table("payments", "id bigint, order_id bigint NOT NULL, card text, holder text", 3, _payment, (("order_id", "orders"),)),
    Table("sessions", "id bigint, customer_id bigint NOT NULL, agent text, address text", 2, _session, (("customer_id", "customers"),)),
    Table("events", "id bigint, session_id bigint NOT NULL, kind text, path text", 4, _event, (("session_id", "sessions"),)),
)

ROWS_EACH = sum(table.each for table in TABLES)

_OF_ORDERS = "order_id IN (SELECT id FROM orders WHERE customer_id = ANY(%s))"
_OF_SESSIONS = "session_id IN (SELECT id FROM sessions WHERE customer_id = ANY(%s))"
_OF_CUSTOMERS = "customer_id = ANY(%s)"

FLOOR = (
    f"DELETE FROM order_items WHERE {_OF_ORDERS}",
    f"DELETE FROM payments WHERE {_OF_ORDERS}",
    f"DELETE FROM orders WHERE {_OF_CUSTOMERS}",
    f"DELETE FROM events WHERE {_OF_SESSIONS}",
    f"DELETE FROM sessions WHERE {_OF_CUSTOMERS}",
    f"DELETE FROM addresses WHERE {_OF_CUSTOMERS}",
    "DELETE FROM customers WHERE id = ANY(%s)",
)
"""Child first; one statement per table and key batch."""

POLICY = """\
expunge: 1
controller: {name: Shop, contact: privacy@shop.example}
subjects:
  customer: {key: customer_id, identities: [email]}
stores:
  shop: {kind: sql, url: "${SHOP_URL}", datasets: [shop.yml]}
control: {journal: "sqlite:///state/journal.db", keys: "sqlite:///state/keys.db", roots: state/roots, evidence: state/evidence}
purposes: {sell: {use: essential.service, basis: contract}}
terms: [{of: customer, category: user, for: sell, keep: 24 months, need: send what was ordered}]
blast_radius: {subjects: 1000000}
"""


def dataset() -> str:
    """The shop's annotations, as fideslang's YAML."""
    lines = ["dataset:", "  - fides_key: shop", "    collections:"]
    for table in TABLES:
        links = dict(table.links)
        lines += [f"      - name: {table.name}", "        fields:"]
        for place, column in enumerate(table.columns.split(", ")):
            name = column.split(" ", 1)[0]
            meta = ["primary_key: true"] if place == 0 else []
            meta += ["identity: customer_id"] if (table.name, name) == ("customers", "id") else []
            meta += ["identity: email"] if name == "email" else []
            if name in links:
                meta.append(f"references: [{{dataset: shop, field: {links[name]}.id, direction: from}}]")
            category = "user.contact.email" if name == "email" else "user.unique_id" if place == 0 else "user"
            told = f", fides_meta: {{{', '.join(meta)}}}" if meta else ""
            lines.append(f"          - {{name: {name}, data_categories: [{category}]{told}}}")
    return "\n".join(lines) + "\n"


def write_policy(folder: Path) -> Path:
    """The policy and its dataset file in a folder; the policy's path."""
    (folder / "state").mkdir(parents=True, exist_ok=True)
    (folder / "shop.yml").write_text(dataset(), encoding="utf-8")
    path = folder / "expunge.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return path


def connect(url: str) -> psycopg.Connection:
    """A session on the shop, for whoever writes SQL by hand."""
    return psycopg.connect(sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))


def seed(url: str, customers: int) -> None:
    """Fill an empty database: COPY first, keys and indexes after it, statistics last."""
    with connect(url) as session:
        for table in TABLES:
            session.execute(f"CREATE TABLE {table.name} ({table.columns})".encode())
            with session.cursor().copy(f"COPY {table.name} FROM STDIN".encode()) as copy:
                for text in _texts(table, customers):
                    copy.write(text)
        for table in TABLES:
            session.execute(f"ALTER TABLE {table.name} ADD PRIMARY KEY (id)".encode())
        for table in TABLES:
            for column, to in table.links:
                session.execute(f"ALTER TABLE {table.name} ADD FOREIGN KEY ({column}) REFERENCES {to}".encode())
                session.execute(f"CREATE INDEX ON {table.name} ({column})".encode())
        session.execute("CREATE UNIQUE INDEX ON customers (email)")
        session.commit()
        session.autocommit = True
        session.execute("VACUUM (ANALYZE)")
        session.execute("CHECKPOINT")


def _texts(table: Table, customers: int) -> Iterator[str]:
    for round_ in range(table.each):
        for start in range(1, customers + 1, COPY_ROWS):
            some = range(start, min(start + COPY_ROWS, customers + 1))
            yield "".join(table.row(round_ * customers + one, one, round_, customers) for one in some)


def erase_by_hand(session: psycopg.Connection, customers: Sequence[int]) -> int:
    """The floor: erase these customers and nothing else, no record kept; how many rows went."""
    gone = 0
    for start in range(0, len(customers), KEYS):
        keys = list(customers[start : start + KEYS])
        gone += sum(session.execute(statement.encode(), (keys,)).rowcount for statement in FLOOR)
        session.commit()
    return gone


def rewrite_by_hand(session: psycopg.Connection) -> None:
    """What it takes by hand until the bytes are gone from heap and indexes, too."""
    session.autocommit = True
    for table in TABLES:
        session.execute(f"VACUUM (FULL, ANALYZE) {table.name}".encode())
    session.autocommit = False
