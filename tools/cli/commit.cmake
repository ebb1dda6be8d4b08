# Writes OUTPUT, a header with the commit of SOURCE, unless it says so already.
#
#   cmake -DSOURCE=. -DOUTPUT=commit.h -P commit.cmake
set(commit unknown)
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
  OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(NOT failed AND found)
  set(commit ${found})
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#pragma once\n#define LINNET_COMMIT \"${commit}\"\n")
