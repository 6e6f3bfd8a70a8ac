# cmake --install BUILD --prefix PREFIX: the programs, and what a program of somebody else's is built with:
#   find_package(usam REQUIRED)
#   target_link_libraries(mine PRIVATE usam::recipes)    # or any library by its folder's name: usam::losses, usam::nn, ...
# Components: `programs` (PREFIX/bin) and `development` (headers, libraries, the CMake package); configs go with either.
include(CMakePackageConfigHelpers)
get_property(libraries GLOBAL PROPERTY usam_libraries)
get_property(programs DIRECTORY ${CMAKE_SOURCE_DIR}/tools PROPERTY BUILDSYSTEM_TARGETS)
list(FILTER programs INCLUDE REGEX "^usam-")

install(TARGETS ${programs} RUNTIME DESTINATION bin COMPONENT programs)
install(DIRECTORY configs DESTINATION share/usam COMPONENT programs PATTERN tests EXCLUDE)

install(TARGETS ${libraries} EXPORT usamTargets
  ARCHIVE DESTINATION lib/usam COMPONENT development
  INCLUDES DESTINATION include/usam)
# Not install(DIRECTORY): it would make a folder also where there is no header.
install(CODE "
  foreach(top src data losses trainer recipes)
    file(GLOB_RECURSE headers RELATIVE \"${CMAKE_SOURCE_DIR}\" \"${CMAKE_SOURCE_DIR}/\${top}/*.h\")
    foreach(header \${headers})
      get_filename_component(folder \${header} DIRECTORY)
      file(INSTALL \"${CMAKE_SOURCE_DIR}/\${header}\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/include/usam/\${folder}\")
    endforeach()
  endforeach()" COMPONENT development)
install(EXPORT usamTargets NAMESPACE usam:: DESTINATION lib/cmake/usam COMPONENT development)
configure_package_config_file(cmake/usamConfig.cmake.in ${CMAKE_BINARY_DIR}/usamConfig.cmake INSTALL_DESTINATION lib/cmake/usam)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/usamConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/usamConfig.cmake ${CMAKE_BINARY_DIR}/usamConfigVersion.cmake cmake/dependencies.cmake
  DESTINATION lib/cmake/usam COMPONENT development)
