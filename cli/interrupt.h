// Ctrl-C and SIGTERM: the first lets the run drain, the second stops it at once, the third ends the
// process.
#pragma once

#include "engine/run.h"

// From now on signals go to `run`. Once a process.
void ft_interrupt_watch(ft_run *run);
// No signal reaches the run any more: it is going to be destroyed.
void ft_interrupt_end(void);
int ft_interrupt_signal(void);  // The first that came; 0: none.
int ft_interrupt_count(void);
// Each signal writes a byte to this descriptor, which does not block; -1: to none.
void ft_interrupt_set_bell(int fd);
