#include "remote_scene.h"

void scene_open(struct scene *scene)
{
	script_start(&scene->script);
	fixture_init(&scene->fixture, scene->script.peer.port);
	scene->remote = fixture_open(&scene->fixture);
	scene->error = (struct error){ 0 };
}

void scene_close(struct scene *scene)
{
	remote_close(scene->remote);
	fixture_finish(&scene->fixture);
	script_finish(&scene->script);
}
