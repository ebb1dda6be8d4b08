#include "tools/generate/requests.h"

#include <array>

#include "tools/generate/options.h"
#include "weights/base/error.h"
#include "weights/base/json.h"

namespace linnet::tools {
namespace {

constexpr auto kOwnKeys =
    std::to_array<std::string_view>({"id", "prompts", "texts", "stop_strings"});

using Ids = std::vector<std::int32_t>;

std::vector<Ids> prompts_of(json::Value request, const TextGenerator& generator) {
  const auto ids = request.find_non_null("prompts"), texts = request.find_non_null("texts");
  if (ids.has_value() == texts.has_value()) request.fail("expected either prompts or texts");
  std::vector<Ids> prompts;
  if (ids) {
    for (const json::Value prompt : ids->elements()) {
      Ids& one = prompts.emplace_back();
      for (const json::Value id : prompt.elements()) {
        one.push_back(static_cast<std::int32_t>(id.integer(0, INT32_MAX)));
      }
    }
  } else {
    for (const json::Value text : texts->elements()) {
      prompts.push_back(generator.encode(text.string()));
    }
  }
  return prompts;
}

void write_answer(json::Writer& out, const std::vector<GeneratedText>& results, bool texts,
                  bool beams) {
  out.key("new_tokens").begin_array();
  for (const GeneratedText& r : results) {
    out.begin_array();
    for (const std::int32_t id : r.sequence.tokens) out.integer(id);
    out.end_array();
  }
  out.end_array().key("texts").begin_array();
  for (const GeneratedText& r : results) texts ? out.string(r.text) : out.null();
  out.end_array();
  if (beams) {
    out.key("sequences_scores").begin_array();
    for (const GeneratedText& r : results) out.float64(r.sequence.score);
    out.end_array();
  }
  out.key("finish_reasons").begin_array();
  for (const GeneratedText& r : results) out.string(name(r.sequence.reason));
  out.end_array();
}

}  // namespace

std::string answer_request(TextGenerator& generator, std::string_view request,
                           std::int64_t max_bytes) {
  const json::Document document = json::parse(request, "request", max_bytes);
  const json::Value root = document.root();
  TextRequest wanted;
  wanted.parameters = generator.model().defaults;
  read_parameters(root, wanted.parameters, UnknownKeys::kRefuse, kOwnKeys);
  if (const auto stops = root.find_non_null("stop_strings")) {
    if (stops->kind() == json::Kind::kString) {
      wanted.stop_strings.emplace_back(stops->string());
    } else {
      for (const json::Value stop : stops->elements()) {
        wanted.stop_strings.emplace_back(stop.string());
      }
    }
  }
  const auto results = generator.generate(prompts_of(root, generator), wanted);
  json::Writer out;
  out.begin_object();
  if (const auto id = root.find_non_null("id")) out.key("id").string(id->string());
  write_answer(out, results, generator.model().tokenizer.has_value(),
               wanted.parameters.num_beams > 1);
  if (wanted.parameters.prompt_lookup_num_tokens > 0) {
    std::int64_t guessed = 0, accepted = 0;
    for (const GeneratedText& r : results) {
      guessed += r.sequence.guessed;
      accepted += r.sequence.accepted;
    }
    write_speculation(out, guessed, accepted);
  }
  return std::move(out.end_object()).text();
}

}  // namespace linnet::tools
