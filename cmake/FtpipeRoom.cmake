# ft_room(NAME SOURCES ... LINK ...): one library per room, all with the same strict flags.

add_library(ft_flags INTERFACE)
target_include_directories(ft_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(ft_flags INTERFACE _POSIX_C_SOURCE=200809L FT_VERSION="${PROJECT_VERSION}")
target_compile_options(ft_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual
  -Wundef -Wvla -Wswitch-enum -Wformat=2 -Wno-missing-field-initializers -fno-strict-aliasing -fno-omit-frame-pointer
  -ffp-contract=off)
if(FTPIPE_WERROR)
  target_compile_options(ft_flags INTERFACE -Werror)
endif()
if(FTPIPE_SANITIZE)
  target_compile_options(ft_flags INTERFACE -fsanitize=${FTPIPE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(ft_flags INTERFACE -fsanitize=${FTPIPE_SANITIZE})
  target_compile_definitions(ft_flags INTERFACE FT_DEBUG FT_SANITIZED)
endif()

# Kernels are compiled once for each instruction set; which one runs is decided at run time.
# Elsewhere than on x86-64 these files are empty. For the sources of the calling folder.
function(ft_isa_flags)
  if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    return()
  endif()
  set(avx2 -O3 -mavx2 -mfma -mf16c -mbmi -mbmi2)
  set(avx512 ${avx2} -mavx512f -mavx512bw -mavx512vl -mavx512dq -mprefer-vector-width=512)
  foreach(source ${ARGN})
    if(source MATCHES "_avx2\\.c$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${avx2}")
    elseif(source MATCHES "_avx2vnni\\.c$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${avx2};-mavxvnni")
    elseif(source MATCHES "_avx512\\.c$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${avx512}")
    elseif(source MATCHES "_avx512vnni\\.c$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${avx512};-mavx512vnni")
    elseif(source MATCHES "_avx512bf16\\.c$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${avx512};-mavx512vnni;-mavx512bf16")
    elseif(source MATCHES "_avx512vbmi2\\.c$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS
        "-O3;-mavx2;-mfma;-mf16c;-mbmi;-mbmi2;-mpopcnt;-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mavx512vbmi;-mavx512vbmi2")
    endif()
  endforeach()
endfunction()

function(ft_room name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC ft_flags ${arg_LINK})
  ft_isa_flags(${arg_SOURCES})
endfunction()
