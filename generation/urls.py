from django.urls import path

from generation import views

app_name = "generation"

urlpatterns = [
    path("generate/", views.generate_pictures, name="generate"),
    path("jobs/", views.jobs, name="jobs"),
    path("jobs/<uuid:pk>/", views.job, name="job"),
    path("jobs/<uuid:pk>/cancel/", views.job_cancel, name="job_cancel"),
    path("jobs/<uuid:pk>/retry/", views.job_retry, name="job_retry"),
    path("jobs/<uuid:job_pk>/scenes/<uuid:pk>/retry/", views.scene_retry, name="scene_retry"),
    path("images/<uuid:pk>/another-take/", views.another_take, name="another_take"),
    path("events/", views.events, name="events"),
]
