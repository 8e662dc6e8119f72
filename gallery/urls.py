from django.urls import path, register_converter

from gallery import downloads, media, views

app_name = "gallery"


class SizeConverter:
    regex = "original|320|640"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str | int) -> str:
        return str(value)


register_converter(SizeConverter, "size")

urlpatterns = [
    path("", views.home, name="home"),
    path("stories/", views.stories, name="stories"),
    path("stories/new/", views.story_new, name="story_new"),
    path("stories/<slug:slug>/", views.story, name="story"),
    path("stories/<slug:slug>/edit/", views.story_edit, name="story_edit"),
    path("stories/<slug:slug>/delete/", views.story_delete, name="story_delete"),
    path("stories/<slug:slug>/download/", downloads.story_download, name="story_download"),
    path("characters/", views.characters, name="characters"),
    path("characters/new/", views.character_new, name="character_new"),
    path("characters/<slug:slug>/", views.character, name="character"),
    path("characters/<slug:slug>/edit/", views.character_edit, name="character_edit"),
    path("characters/<slug:slug>/delete/", views.character_delete, name="character_delete"),
    path("characters/<slug:slug>/download/", downloads.character_download, name="character_download"),
    path("library/", views.library, name="library"),
    path("images/<uuid:pk>/", views.image, name="image"),
    path("images/<uuid:pk>/choose/", views.image_choose, name="image_choose"),
    path("media/<uuid:pk>/<size:size>", media.media, name="media"),
]
