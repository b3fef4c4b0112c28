"""`gunicorn wsgi:app` serves it; `flask` finds it by itself."""

from app import create_app
from app.gateway import slow

app = create_app()
slow.install(app)
