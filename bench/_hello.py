"""A bare Flask application, the yardstick of bench/payments.py."""

from flask import Flask

app = Flask("hello")


@app.get("/hello")
def hello() -> str:
    return "hello"
