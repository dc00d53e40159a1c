// Every stage, sorted. One line here and one file beside it are all that a stage needs; CMake reads this file too.
FT_STAGE(embed)
FT_STAGE(filter)
FT_STAGE(gather)
FT_STAGE(generate)
FT_STAGE(infer)
FT_STAGE(limit)
FT_STAGE(map)
FT_STAGE(read)
