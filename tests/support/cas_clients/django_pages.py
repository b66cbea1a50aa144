"""The pages of the Django application; Django imports them by name, after its settings are there."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django_cas_ng.views import LoginView, LogoutView


def me(request: HttpRequest) -> JsonResponse:
    """Tell whom the application takes the browser's user for, and what it was told about them."""
    return JsonResponse({"user": request.user.username, "attributes": request.session["attributes"]})


urlpatterns = [
    path("", login_required(me, login_url="cas_ng_login")),
    path("login", LoginView.as_view(), name="cas_ng_login"),
    path("logout", LogoutView.as_view(), name="cas_ng_logout"),
]
