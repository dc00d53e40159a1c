// Every stage, sorted. One line here and one file beside it are all that a stage needs; CMake reads this file too.
FT_STAGE(read)
