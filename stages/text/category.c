// Tables only.
#include "stages/text/category.h"

#include <assert.h>

#include "stages/text/category_tables.h"
