/* The rules about what the state says, looked at as each commit of it becomes
   durable: then it must be true whatever happens next. */
#ifndef TESTS_SIM_ORACLE_STATE_H
#define TESTS_SIM_ORACLE_STATE_H

/* Behind the driver's own hook of sim_db.h. */
void oracle_state_begin(void);

#endif
