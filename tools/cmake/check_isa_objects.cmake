# Fails when an instruction-set folder could leak into code compiled with other flags, or call what it
# must not: any weak symbol, any symbol outside linnet::kernels::<isa>, any undefined symbol that is
# not one of them, and any include beyond the folder, the headers made for it and those of the weaker
# level BASE, whose contents are compiled here with these flags.
#
#   cmake -DNM=nm -DISA=avx2 -DBASE= -DFOLDER=kernels/avx2 -DOBJECTS=a.o;b.o -P check_isa_objects.cmake
string(LENGTH "${ISA}" length)
set(own "6linnet7kernels${length}${ISA}")
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND ${NM} --defined-only --extern-only ${object}
                  OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]+" lines "${symbols}")
  foreach(line IN LISTS lines)
    if(line MATCHES " [VWuvw] " OR NOT line MATCHES "${own}")
      message(FATAL_ERROR "${object} defines: ${line}")
    endif()
  endforeach()

  execute_process(COMMAND ${NM} --undefined-only ${object}
                  OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]+" lines "${symbols}")
  foreach(line IN LISTS lines)
    # What a compiler may call by itself: block copies, the stack protector, the table of
    # position-independent code. No allocation, no function of libm.
    if(NOT line MATCHES "${own}| (memcpy|memset|memmove|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_)$")
      message(FATAL_ERROR "${object} needs: ${line}")
    endif()
  endforeach()
endforeach()

set(base "ops")
if(BASE)
  set(base "${BASE}/[a-z0-9_]+")
endif()
file(GLOB sources "${FOLDER}/*")
foreach(source IN LISTS sources)
  file(STRINGS "${source}" includes REGEX "^#include")
  foreach(line IN LISTS includes)
    if(NOT line MATCHES "<(immintrin\\.h|cstdint|cstddef)>|\"kernels/(${ISA}/[a-z0-9_]+|${base}|ops|coefficients|backward|formulas|fused|groups_s4|philox|doubles)\\.h\"")
      message(FATAL_ERROR "${source}: ${line}")
    endif()
  endforeach()
endforeach()
