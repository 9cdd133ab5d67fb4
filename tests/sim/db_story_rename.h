/* Before anything else where sim_db.c stands beside the real one. */
#ifndef TESTS_SIM_DB_STORY_RENAME_H
#define TESTS_SIM_DB_STORY_RENAME_H

#define state_db_open        sim_state_db_open
#define state_db_open_tables sim_state_db_open_tables
#define state_db_close       sim_state_db_close
#define state_db_begin       sim_state_db_begin
#define state_db_commit      sim_state_db_commit
#define state_db_abort       sim_state_db_abort
#define state_db_is_writing  sim_state_db_is_writing
#define state_db_is_broken   sim_state_db_is_broken
#define state_db_is_good     sim_state_db_is_good
#define state_db_fail        sim_state_db_fail
#define state_db_fail_record sim_state_db_fail_record
#define state_db_read_error  sim_state_db_read_error
#define state_db_read_begin  sim_state_db_read_begin
#define state_db_read_end    sim_state_db_read_end
#define state_db_get         sim_state_db_get
#define state_db_next        sim_state_db_next
#define state_db_last        sim_state_db_last
#define state_db_entry_count sim_state_db_entry_count
#define state_db_walk_open   sim_state_db_walk_open
#define state_db_walk_next   sim_state_db_walk_next
#define state_db_walk_close  sim_state_db_walk_close
#define state_db_put         sim_state_db_put
#define state_db_append      sim_state_db_append
#define state_db_put_new     sim_state_db_put_new
#define state_db_delete      sim_state_db_delete

#endif
