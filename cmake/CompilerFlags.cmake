# What every file of ours is compiled with. Each flag is tried first, so that
# gcc and clang share one list.
include(CheckCCompilerFlag)
include(CheckPIESupported)

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
check_pie_supported()

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

add_library(mailtwin_flags INTERFACE)
target_include_directories(mailtwin_flags INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_definitions(mailtwin_flags INTERFACE
  _POSIX_C_SOURCE=200809L MAILTWIN_VERSION="${PROJECT_VERSION}")

function(mailtwin_try_flags)
  foreach(flag IN LISTS ARGN)
    string(MAKE_C_IDENTIFIER "HAVE${flag}" result)
    check_c_compiler_flag("${flag}" ${result})
    if(${result})
      target_compile_options(mailtwin_flags INTERFACE "${flag}")
    endif()
  endforeach()
endfunction()

mailtwin_try_flags(
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual
  -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
  -Wwrite-strings -Wpointer-arith -Wundef -Wvla -Wswitch-enum
  -Wimplicit-fallthrough -Wnull-dereference -Wdouble-promotion
  -Wformat-signedness -Wduplicated-cond -Wduplicated-branches -Wlogical-op
  -Walloca -Wcast-align=strict
  -fstack-protector-strong -fstack-clash-protection -fcf-protection
  -ftrivial-auto-var-init=zero)

if(MAILTWIN_WERROR)
  target_compile_options(mailtwin_flags INTERFACE -Werror)
endif()

if(MAILTWIN_SANITIZE)
  set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=undefined
    -fno-omit-frame-pointer)
  target_compile_options(mailtwin_flags INTERFACE ${sanitizers})
  target_link_options(mailtwin_flags INTERFACE ${sanitizers})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  # Fortify needs optimisation and gets in the sanitizers' way.
  target_compile_options(mailtwin_flags INTERFACE
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()

if(MAILTWIN_FUZZ)
  target_compile_options(mailtwin_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

target_link_options(mailtwin_flags INTERFACE
  -Wl,-z,relro,-z,now,-z,noexecstack)

# mailtwin_library(NAME SOURCES a.c … LINKS x …): one library per folder.
function(mailtwin_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE mailtwin_flags ${arg_LINKS})
endfunction()
