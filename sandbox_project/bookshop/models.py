"""The bookshop's tables, as the newest migration leaves them."""

import datetime as dt  # since 0001
import uuid  # since 0010
from decimal import Decimal  # since 0003
from typing import Any  # since 0009

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    # Each constraint gets a name that is known beforehand: a migration can only
    # drop what it can name, and SQLite makes up no names of its own.
    metadata = sa.MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )


# since 0001
class Member(Base):
    __tablename__ = "members"
    __table_args__ = (sa.UniqueConstraint("email"),)  # since 0004

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100))
    email: Mapped[str] = mapped_column(sa.String(200))
    joined_on: Mapped[dt.date]


# since 0001
class Book(Base):
    __tablename__ = "books"
    __table_args__ = (sa.Index("ix_books_author", "author"),)  # since 0005

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(200))
    author: Mapped[str] = mapped_column(sa.String(100))
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(8, 2))  # since 0003


# since 0002
class Order(Base):
    __tablename__ = "orders"
    __table_args__ = (sa.CheckConstraint("status IN ('open', 'paid', 'shipped')", name="status"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(sa.ForeignKey("members.id"))
    status: Mapped[str] = mapped_column(sa.String(20))
    ordered_on: Mapped[dt.date]


# since 0002
class OrderLine(Base):
    __tablename__ = "order_lines"
    __table_args__ = (sa.CheckConstraint("quantity > 0", name="quantity"),)

    order_id: Mapped[int] = mapped_column(sa.ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True)
    book_id: Mapped[int] = mapped_column(sa.ForeignKey("books.id"), primary_key=True)
    quantity: Mapped[int]


# since 0006
class Staff(Base):
    __tablename__ = "staff"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100))


# since 0006
class Role(Base):
    __tablename__ = "roles"
    __table_args__ = (sa.UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50))


# since 0006
class StaffRole(Base):
    __tablename__ = "staff_roles"

    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id", ondelete="CASCADE"), primary_key=True)
    role_id: Mapped[int] = mapped_column(sa.ForeignKey("roles.id"), primary_key=True)


# since 0007
class ReadingRoom(Base):
    __tablename__ = "reading_rooms"
    __table_args__ = (sa.CheckConstraint("seats > 0", name="seats"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50))
    seats: Mapped[int]


# since 0007
class Booking(Base):
    __tablename__ = "bookings"
    __table_args__ = (
        sa.UniqueConstraint("room_id", "day", "from_hour"),
        sa.CheckConstraint("from_hour < until_hour", name="hours"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    room_id: Mapped[int] = mapped_column(sa.ForeignKey("reading_rooms.id"))
    member_id: Mapped[int] = mapped_column(sa.ForeignKey("members.id"))
    day: Mapped[dt.date]
    from_hour: Mapped[int]
    until_hour: Mapped[int]
    status: Mapped[str] = mapped_column(sa.Enum("booked", "used", "canceled", name="booking_status"))


# since 0008
class Review(Base):
    __tablename__ = "reviews"
    __table_args__ = (
        sa.UniqueConstraint("book_id", "member_id"),
        sa.CheckConstraint("stars BETWEEN 1 AND 5", name="stars"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(sa.ForeignKey("books.id"))
    member_id: Mapped[int] = mapped_column(sa.ForeignKey("members.id"))
    stars: Mapped[int]
    comment: Mapped[str | None] = mapped_column(sa.Text)


# since 0009
class Event(Base):
    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50))
    happened_on: Mapped[dt.date]
    details: Mapped[dict[str, Any]] = mapped_column(sa.JSON)


# since 0010
class Session(Base):
    __tablename__ = "sessions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(sa.ForeignKey("members.id", ondelete="CASCADE"))
    started_at: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True))
