# The libraries we stand on, each as one imported target used by one folder.
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(LMDB REQUIRED IMPORTED_TARGET lmdb)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)

# libinotifytools ships no pkg-config file.
find_path(INOTIFYTOOLS_INCLUDE_DIR inotifytools/inotifytools.h REQUIRED)
find_library(INOTIFYTOOLS_LIBRARY inotifytools REQUIRED)
add_library(inotifytools INTERFACE IMPORTED)
target_include_directories(inotifytools INTERFACE ${INOTIFYTOOLS_INCLUDE_DIR})
target_link_libraries(inotifytools INTERFACE ${INOTIFYTOOLS_LIBRARY})
