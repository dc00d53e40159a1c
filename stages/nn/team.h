// Some threads that share one computation: a loop whose rounds do not depend on each other is cut
// into pieces, as many for each member; who is done with his own takes those that others have left.
//
// For work whose pieces take microseconds and follow each other closely, as the products of one
// token do: the helpers look for the next loop for a moment before they sleep. Nobody waits for
// helpers that do not come, since the caller takes pieces like them; only for pieces that were
// taken.
#pragma once

#include "runtime/error.h"

typedef struct ft_team ft_team;

// Rounds [first, first + count); `member` is below ft_team_members, and no two threads are the same
// one at a time.
typedef void ft_team_work(void *host, size_t first, size_t count, size_t member);

enum { FT_TEAM_MEMBERS_MAX = 16 };

// The caller and `members` - 1 helpers, at most FT_TEAM_MEMBERS_MAX in all.
ft_team *ft_team_create(size_t members, ft_error *err) FT_MUST_CHECK;
void ft_team_destroy(ft_team *team);          // NULL is fine. Joins the helpers.
size_t ft_team_members(const ft_team *team);  // NULL: 1.
// Does rounds 0 to `rounds` - 1, some side by side, and returns when all are done. Pieces have
// `grain` rounds or more. One caller at a time. NULL: the caller alone.
void ft_team_run(ft_team *team, size_t rounds, size_t grain, ft_team_work *work, void *host);
