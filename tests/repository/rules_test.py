#!/usr/bin/env python3
"""Plants one breach of each rule and sees it found, next to text that is no breach."""

import unittest

import rules_code
import rules_text
from tree import File


def found(rule, path, text, *others):
    """The findings of `rule` in a file, as the numbers of their lines."""
    files = [File(path, text)] + [File(p, t) for p, t in others]
    return [number for where, number, _ in rule(files) if where == path]


class TextRules(unittest.TestCase):
    def test_file_length(self):
        self.assertEqual(found(rules_text.file_length, "tools/a.cpp", "\n" * 500), [])
        self.assertEqual(found(rules_text.file_length, "tools/a.cpp", "\n" * 501), [501])
        self.assertEqual(found(rules_text.file_length, "tools/words.txt", "\n" * 501), [])

    def test_function_length(self):
        def function(lines):
            return "namespace a {\n\nvoid f(int x,\n       int y) {\n" + "  g();\n" * lines + "}\n}\n"
        self.assertEqual(found(rules_text.function_length, "tools/a.cpp", function(57)), [])
        self.assertEqual(found(rules_text.function_length, "tools/a.cpp", function(58)), [3])
        table = "constexpr int k[] = {\n" + "  1,\n" * 30 + "};\n"
        self.assertEqual(found(rules_text.function_length, "tools/a.cpp", table), [])
        objects = "constexpr Option k{.a = 1,\n                   .b = 2};\n" * 50 + function(57)
        self.assertEqual(found(rules_text.function_length, "tools/a.cpp", objects), [])

    def test_unfinished(self):
        rule = rules_text.unfinished
        self.assertEqual(found(rule, "tools/a.cpp", "// TO" + "DO: later\n"), [1])
        self.assertEqual(found(rule, "README.md", "x\nFIX" + "ME\n"), [2])
        self.assertEqual(found(rule, "tools/a.sh", "mktemp -d a.XX" + "XXXX\n"), [])
        self.assertEqual(found(rule, "tools/a.cpp", "#if " + "0\n#endif\n"), [1])
        self.assertEqual(found(rule, "tests/a.cpp", "TEST(A, DISABLED" + "_B) {}\n"), [1])
        self.assertEqual(found(rule, "tools/a.cpp", "  // return x;\n"), [1])
        self.assertEqual(found(rule, "tools/a.cpp", "  // return of the sum\n"), [])

    def test_names_of_others(self):
        rule = rules_text.names_of_others
        self.assertEqual(found(rule, "README.md", "see pypi" + ".org\n"), [1])
        self.assertEqual(found(rule, "tools/a.sh", "cd /ro" + "ot/x\n"), [1])
        self.assertEqual(found(rule, "tools/a.sh", 'cd "$top/ro' + 'ot/x"\n'), [])
        self.assertEqual(found(rule, "tools/a.cpp", "// see issue" + " #7\n"), [1])
        self.assertEqual(found(rule, "tools/a.cpp", "//issue" + " 7\n"), [1])
        self.assertEqual(found(rule, "tools/a.cpp", "// (owner/name issue" + " 7)\n"), [])

    def test_whitespace(self):
        rule = rules_text.whitespace
        self.assertEqual(found(rule, "tools/a.cpp", "int x;\n"), [])
        self.assertEqual(found(rule, "tools/a.cpp", "int x; \n\ty\nz\r\n"), [1, 2, 3])
        self.assertEqual(found(rule, "tools/a.cpp", "int x;"), [1])
        self.assertEqual(found(rule, "tools/a.cpp", "int x;\n\n"), [2])

    def test_top_level(self):
        rule = rules_text.top_level
        self.assertEqual(found(rule, "notes.txt", "x\n"), [1])
        self.assertEqual(found(rule, "src/a.cpp", "x\n"), [1])
        self.assertEqual(found(rule, ".clang-format", "x\n"), [])

    def test_built(self):
        rule, cmake = rules_text.built, ("tools/CMakeLists.txt", "add_executable(linnet main.cpp)\n")
        self.assertEqual(found(rule, "tools/main.cpp", "", cmake), [])
        self.assertEqual(found(rule, "tools/ain.cpp", "", cmake), [1])
        chosen = ("tools/CMakeLists.txt", "add_library(a parallel_${WHICH}.cpp)\n")
        self.assertEqual(found(rule, "tools/parallel_pool.cpp", "", chosen), [])
        self.assertEqual(found(rule, "tools/serial_pool.cpp", "", chosen), [1])


class CodeRules(unittest.TestCase):
    def test_arrows(self):
        rule = rules_code.arrows
        self.assertEqual(found(rule, "kernels/a.cpp", '#include "weights/base/error.h"\n'), [1])
        self.assertEqual(found(rule, "kernels/a.cpp", '#include "kernels/isa.h"\n'), [])
        self.assertEqual(found(rule, "tokenizer/a.cpp", '#include "weights/safetensors.h"\n'), [1])
        self.assertEqual(found(rule, "tokenizer/a.cpp", '#include "weights/base/error.h"\n'), [])
        self.assertEqual(found(rule, "engine/ops/a.h", '\n#include "tokenizer/tokenizer.h"\n'), [2])
        self.assertEqual(found(rule, "engine/core/a.h", '#include "engine/ops/linear.h"\n'), [1])
        self.assertEqual(found(rule, "engine/tasks/a.h", '#include "tokenizer/tokenizer.h"\n'), [])
        self.assertEqual(found(rule, "weights/base/a.h", '#include "weights/safetensors.h"\n'), [1])
        self.assertEqual(found(rule, "engine/a.h", "int x;\n"), [1])
        self.assertEqual(found(rule, "engine/core/a.h", '// #include "tools/a.h"\n'), [])

    def test_headers_of_others(self):
        rule = rules_code.headers_of_others
        self.assertEqual(found(rule, "engine/core/mat.h", "#include <immintrin.h>\n"), [1])
        self.assertEqual(found(rule, "engine/core/mxcsr.cpp", "#include <immintrin.h>\n"), [])
        self.assertEqual(found(rule, "kernels/avx2/gemm_f32.cpp", "#include <immintrin.h>\n"), [])
        self.assertEqual(found(rule, "kernels/avx2/gemm_f32.cpp", "#include <omp.h>\n"), [1])
        self.assertEqual(found(rule, "engine/core/parallel_openmp.cpp", "#include <omp.h>\n"), [])
        self.assertEqual(found(rule, "engine/ops/a.cpp", "#include <dnnl.hpp>\n"), [1])
        self.assertEqual(found(rule, "tokenizer/a.cpp", "#include <emmintrin.h>\n"), [])
        self.assertEqual(found(rule, "tokenizer/a.cpp", "#include <immintrin.h>\n"), [1])
        self.assertEqual(found(rule, "weights/base/json.h", "#include <nlohmann/json.hpp>\n"), [1])
        self.assertEqual(found(rule, "tokenizer/a.cpp", "#include <thread>\n"), [1])
        self.assertEqual(found(rule, "engine/core/a.cpp", "#include <iostream>\n"), [1])
        self.assertEqual(found(rule, "engine/core/a.cpp", "#include <fmt/core.h>\n"), [1])

    def test_public_headers(self):
        rule = rules_code.public_headers
        self.assertEqual(found(rule, "weights/a.h", "#pragma once\n#include <vector>\n"), [])
        self.assertEqual(found(rule, "weights/a.h", "#pragma once\n#include <sys/mman.h>\n"), [2])
        self.assertEqual(found(rule, "weights/a.h", "#include <vector>\n"), [1])

    def test_levels(self):
        rule = rules_code.levels
        self.assertEqual(found(rule, "kernels/avx512/a.cpp", "#include <algorithm>\n"), [1])
        self.assertEqual(found(rule, "kernels/avx512/a.cpp", '#include "kernels/avx2/avx2.h"\n'), [1])
        self.assertEqual(found(rule, "kernels/avx512/a.cpp", '#include "kernels/avx512/avx512.h"\n'), [])
        base = '#include "kernels/avx512/vec.h"\n'
        self.assertEqual(found(rule, "kernels/avx512_vnni/a.cpp", base), [])
        self.assertEqual(found(rule, "kernels/avx_vnni/a.cpp", base), [1])
        shared = '#include "kernels/ops.h"\n'
        plain = ("kernels/ops.h", "#include <cstdint>\n")
        nested = ("kernels/ops.h", '#include "kernels/more.h"\n')
        inline = ("kernels/more.h", "#include <array>\n")
        self.assertEqual(found(rule, "kernels/avx512/a.cpp", shared, plain), [])
        self.assertEqual(found(rule, "kernels/avx512/a.cpp", shared, nested, inline), [1])

    def test_libraries(self):
        rule = rules_code.libraries
        for line in ['std::printf("x");', "std::cerr << 1;", "abort();", "std::exit(1);",
                     "using namespace std;", "std::shared_ptr<int> p;", "auto* p = new int[3];",
                     "std::reduce(a, b);", "int r = rand();", "#pragma omp parallel for simd"]:
            self.assertEqual(found(rule, "engine/core/a.cpp", line + "\n"), [1], line)
            self.assertEqual(found(rule, "tools/a.cpp", line + "\n"), [], line)
        for line in ["std::snprintf(b, n, f);", "// never abort()", 'throw "exit(1)";', "x.exit();",
                     "/* new\n int */", "::new (p) T;", "renew (x);"]:
            self.assertEqual(found(rule, "engine/core/a.cpp", line + "\n"), [], line)

    def test_flags(self):
        rule = rules_code.flags
        self.assertEqual(found(rule, "CMakeLists.txt", "add_compile_options(-f" + "fast-math)\n"), [1])
        self.assertEqual(found(rule, "tools/a.sh", "g++ -march" + "=native\n"), [1])
        self.assertEqual(found(rule, "README.md", "no -march" + "=native\n"), [])
        self.assertEqual(found(rule, "CMakeLists.txt", "-ffp-contract=off -mavx2\n"), [])

    def test_conditionals(self):
        rule = rules_code.conditionals
        self.assertEqual(found(rule, "engine/core/a.h", "#pragma once\n#ifdef __AVX2__\n#endif\n"), [2])
        self.assertEqual(found(rule, "kernels/isa.cpp", "#if __x86_64__\n#endif\n"), [])

    def test_skips(self):
        rule = rules_code.skips
        self.assertEqual(found(rule, "tests/a.cpp", "GTEST_SKIP()" + ";\n"), [1])
        self.assertEqual(found(rule, "tests/a.cpp", 'GTEST_SKIP() << "no file";\n'), [])

    def test_every_rule_is_planted_here(self):
        rules = rules_text.RULES + rules_code.RULES
        tests = {name for case in (TextRules, CodeRules) for name in vars(case)}
        self.assertEqual([r.__name__ for r in rules if "test_" + r.__name__ not in tests], [])


if __name__ == "__main__":
    unittest.main()
