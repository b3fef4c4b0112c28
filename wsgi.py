"""`gunicorn wsgi:app` serves it; `flask` finds it by itself."""

from app import create_app

app = create_app()
