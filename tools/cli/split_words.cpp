#include <CLI/CLI.hpp>
#include <algorithm>

#include "tools/cli/arguments.h"
#include "tools/cli/exit_code.h"

namespace linnet::cli {
namespace {

// One pass before CLI11: makes '_' in names '-', and letters the options they stand for; gives
// every option its value, whatever that begins with; takes the positionals out (CLI11 would read
// "[MASK]" as a list).
class Pass {
 public:
  Pass(const Command& command, std::span<const char* const> words)
      : command_(command), words_(words) {}

  void run() {
    while (next_ < words_.size()) {
      const std::string_view word = words_[next_++];
      if (word == "--") {
        positionals.insert(positionals.end(), words_.begin() + static_cast<std::ptrdiff_t>(next_),
                           words_.end());
        return;
      }
      if (word.substr(0, 2) == "--") {
        long_option(word);
      } else if (word.size() > 1 && word[0] == '-') {
        letters(word);
      } else {
        positionals.emplace_back(word);
      }
    }
  }

  std::vector<std::string> options;  // --flag, or --name and its value
  std::vector<std::string> positionals;

 private:
  void long_option(std::string_view word) {
    const std::size_t equals = word.find('=');
    std::string name(word.substr(0, equals));
    std::replace(name.begin(), name.end(), '_', '-');
    const Option* option = find_option(command_, std::string_view(name).substr(2));
    const bool attached = equals != std::string_view::npos;
    if (option == nullptr) return options.emplace_back(name), void();
    if (option->kind != Kind::kFlag) {
      return add(*option, attached ? word.substr(equals + 1) : following(*option));
    }
    if (attached) return options.push_back(name + std::string(word.substr(equals)));
    options.push_back(name + (truth_follows() ? "=" + std::string(words_[next_++]) : ""));
  }

  // Scripts of others give flags a value: --do_train True. Where a command takes no positionals, it
  // can be nothing else.
  bool truth_follows() const {
    if (!command_.positionals.empty() || next_ == words_.size()) return false;
    const std::string_view word = words_[next_];
    return word == "True" || word == "False" || word == "true" || word == "false";
  }

  void letters(std::string_view word) {
    const std::string_view text = word.substr(1);
    if (const Option* whole = find_letter(command_, text); whole != nullptr) {
      return add(*whole, whole->kind == Kind::kFlag ? "" : following(*whole));
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
      const Option* option = find_letter(command_, text.substr(i, 1));
      if (option == nullptr) return options.emplace_back(word), void();
      if (option->kind != Kind::kFlag) {
        return add(*option, i + 1 < text.size() ? text.substr(i + 1) : following(*option));
      }
      add(*option, "");
    }
  }

  void add(const Option& option, std::string_view value) {
    options.push_back("--" + std::string(option.name));
    if (option.kind != Kind::kFlag) options.emplace_back(value);
  }

  std::string_view following(const Option& option) {
    if (next_ == words_.size()) {
      throw UsageError("option --" + std::string(option.name) +
                       " needs a value: " + std::string(option.value));
    }
    return words_[next_++];
  }

  const Command& command_;
  std::span<const char* const> words_;
  std::size_t next_ = 0;
};

[[noreturn]] void refuse_unknown(const Command& command, const std::string& word) {
  std::vector<std::string_view> names;
  for_each_option(command, [&](const Option& option) { names.push_back(option.name); });
  const std::size_t begin = std::min(word.find_first_not_of('-'), word.size());
  const std::string_view near = nearest(std::string_view(word).substr(begin), names);
  std::string message = "unknown option " + word;
  if (!near.empty()) {
    message += "; did you mean --" + std::string(near) + "?";
  } else if (!command.positionals.empty()) {
    message += "; text that begins with - goes after --";
  }
  throw UsageError(message);
}

}  // namespace

Words split_words(const Command& command, std::span<const char* const> words) {
  Pass pass(command, words);
  pass.run();

  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::vector<std::pair<const Option*, CLI::Option*>> bound;
  for_each_option(command, [&](const Option& option) {
    const std::string name = "--" + std::string(option.name);
    CLI::Option* added =
        option.kind == Kind::kFlag ? app.add_flag(name) : app.add_option(name)->expected(1);
    added->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    bound.emplace_back(&option, added);
  });
  std::reverse(pass.options.begin(), pass.options.end());  // as CLI11 takes them
  try {
    app.parse(std::move(pass.options));
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
  if (!app.remaining().empty()) refuse_unknown(command, app.remaining().front());

  Words result;
  result.positionals = std::move(pass.positionals);
  for (const auto& [option, parsed] : bound) {
    for (const std::string& text : parsed->results()) result.values.push_back({option, text});
  }
  return result;
}

}  // namespace linnet::cli
