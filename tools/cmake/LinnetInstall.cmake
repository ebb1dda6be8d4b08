# Installs the libraries, their headers and the CMake package, so that another project can say
# find_package(linnet CONFIG COMPONENTS tokenizer) and link to linnet::tokenizer.
#
# Headers keep their paths below include/linnet: #include "tokenizer/tokenizer.h" means the same in
# this repository, in a project that adds it as a folder, and against an installed package.
include(CMakePackageConfigHelpers)

set(components)
foreach(room IN ITEMS kernels weights tokenizer engine tasks)
  if(TARGET linnet_${room})
    set_target_properties(linnet_${room} PROPERTIES EXPORT_NAME ${room})
    install(TARGETS linnet_${room} EXPORT linnet ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    list(APPEND components ${room})
  endif()
endforeach()

# Opened by name at run time, from the place that a program in bin/ looks at.
if(TARGET linnet_onednn)
  install(TARGETS linnet_onednn LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/linnet)
endif()

# The folders of the instruction-set levels are private to kernels/, the plug-in to its folder.
install(DIRECTORY kernels weights tokenizer engine
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/linnet
  FILES_MATCHING PATTERN "*.h"
  PATTERN "kernels/*/*" EXCLUDE
  PATTERN "engine/backends/onednn" EXCLUDE)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/linnet)
install(EXPORT linnet FILE linnetTargets.cmake NAMESPACE linnet:: DESTINATION ${package_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/linnetConfig.cmake.in
  ${PROJECT_BINARY_DIR}/linnetConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/linnetConfigVersion.cmake
  COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/linnetConfig.cmake
  ${PROJECT_BINARY_DIR}/linnetConfigVersion.cmake DESTINATION ${package_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(LINNET_BUILD_TOOLS AND TARGET linnet)
  install(TARGETS linnet convert_weights RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(DIRECTORY weights/default DESTINATION ${CMAKE_INSTALL_DATADIR}/linnet)
endif()
