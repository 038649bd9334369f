from django.core.wsgi import get_wsgi_application

application_wsgi = get_wsgi_application()

from a2wsgi import WSGIMiddleware  # noqa: E402 - after Django is set up

application = WSGIMiddleware(application_wsgi, workers=32)
