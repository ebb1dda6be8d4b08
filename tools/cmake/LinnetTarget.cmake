# linnet_target(NAME) gives a target of ours the language level, the include root, the warnings and
# the floating-point rules of the project. None of it reaches a target that links to ours.
include(GNUInstallDirs)
add_library(linnet_flags INTERFACE)
target_compile_options(linnet_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow
  $<$<BOOL:${LINNET_WERROR}>:-Werror>
  # The same bits everywhere: the compiler must not fuse a multiply and an add that we did not fuse.
  -ffp-contract=off)
if(LINNET_SANITIZE)
  target_compile_options(linnet_flags INTERFACE -fsanitize=${LINNET_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(linnet_flags INTERFACE -fsanitize=${LINNET_SANITIZE})
endif()

function(linnet_target name)
  target_compile_features(${name} PUBLIC cxx_std_20)
  # Hidden: a shared library that takes ours in does not pass our symbols on.
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_include_directories(${name} PUBLIC
    $<BUILD_INTERFACE:${linnet_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/linnet>)
  target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:linnet_flags>)
endfunction()
