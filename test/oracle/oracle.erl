%% Builds supervision trees with OTP's own supervisor, applies one fault at a time, and writes down what starts and stops.
%%
%% Reads one Erlang term a line from standard input:
%%   {start, Failing, Node}.     starts a tree
%%   {fault, Failing, Fault}.    does something to it, see fault/1
%%   finish.                     ends it as its parent would, and forgets it
%% where Failing is [{Id, Times}]: the next so many starts of Id fail. Writes, for each, lines and then "done":
%%   reply R
%%   event Group Kind Id Reason  Group: the instance of a supervisor, Id#N; Kind: start, fail, stop, or end of the group itself
%%   tree Group Id:Status ...
%%
%% To be run with one scheduler (+S 1:1): the order of events is then the order in which processes end.
-module(oracle).
-export([main/0, init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2, start_node/1, start_named/2]).

-define(QUIET_PASSES, 3).

main() ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    ets:new(failing, [named_table, public]),
    register(recorder, spawn_link(fun() -> recorder(fresh()) end)),
    loop().

loop() ->
    case io:get_line("") of
        Line when is_list(Line) ->
            {ok, Tokens, _} = erl_scan:string(Line),
            {ok, Term} = erl_parse:parse_term(Tokens),
            command(Term),
            loop();
        _ ->
            halt(0)
    end.

command({start, Failing, Node}) ->
    fail(Failing),
    Reply = case start_node(Node) of
                {ok, _} -> ok;
                {error, _} -> failed
            end,
    report(Reply);
command({fault, Failing, Fault}) ->
    fail(Failing),
    report(try fault(Fault) catch exit:_ -> gone end);
command(finish) ->
    case ask(root) of
        undefined -> ok;
        Root -> exit(Root, shutdown)
    end,
    report(ok),
    [exit(Pid, kill) || {Pid, _, _} <- ask(alive)],
    quiet(?QUIET_PASSES),
    ask(forget),
    ets:delete_all_objects(failing),
    flush().

fail(Failing) ->
    [ets:insert(failing, {Id, Times}) || {Id, Times} <- Failing].

flush() ->
    receive {'EXIT', _, _} -> flush() after 0 -> ok end.

%% --- faults ------------------------------------------------------------------------------------------------------

fault({kill, Id}) ->
    exit(pid(Id), kill),
    ok;
fault({exit, Id, Reason}) ->
    gen_server:cast(pid(Id), {exit, Reason}),
    ok;
fault({terminate, Sup, Id}) ->
    reply(supervisor:terminate_child(pid(Sup), Id));
fault({restart, Sup, Id}) ->
    reply(supervisor:restart_child(pid(Sup), Id));
fault({delete, Sup, Id}) ->
    reply(supervisor:delete_child(pid(Sup), Id));
fault({start, Sup, Node}) ->
    reply(supervisor:start_child(pid(Sup), spec(Node)));
fault({start_dynamic, Sup, Name}) ->
    reply(supervisor:start_child(pid(Sup), [Name]));
fault({terminate_dynamic, Sup, Name}) ->
    reply(supervisor:terminate_child(pid(Sup), pid(Name))).

%% The newest of that id, which may be dead.
pid(Id) ->
    case ask({newest, Id}) of
        undefined -> exit(noproc);
        Pid -> Pid
    end.

reply(ok) -> ok;
reply({ok, _}) -> ok;
reply({error, running}) -> running;
reply({error, restarting}) -> restarting;
reply({error, not_found}) -> 'not-found';
reply({error, already_present}) -> 'already-present';
reply({error, {already_started, _}}) -> 'already-started';
reply({error, {bad_combination, _}}) -> invalid;
reply({error, _}) -> failed.

%% --- trees -------------------------------------------------------------------------------------------------------

start_node({worker, _, _, _, _, _, _} = Node) -> gen_server:start_link(?MODULE, Node, []);
start_node(Node) -> supervisor:start_link(?MODULE, Node).

start_named(Template, Name) -> start_node(setelement(2, Template, Name)).

spec(Node) ->
    Type = case element(1, Node) of worker -> worker; _ -> supervisor end,
    #{id => element(2, Node), start => {?MODULE, start_node, [Node]}, restart => element(3, Node),
      significant => element(4, Node), shutdown => element(5, Node), type => Type}.

init({worker, Id, _Restart, _Significant, _Shutdown, Traps, Hangs}) ->
    process_flag(trap_exit, Traps),
    case fails(Id) of
        true ->
            ask({failed, Id, parent()}),
            {stop, refused};
        false ->
            ask({started, Id, self(), worker, parent()}),
            {ok, Hangs}
    end;
init({static, Id, _Restart, _Significant, _Shutdown, Strategy, Intensity, Auto, Children}) ->
    ask({started, Id, self(), static, parent()}),
    {ok, {flags(Strategy, Intensity, Auto), [spec(Child) || Child <- Children]}};
init({dynamic, Id, _Restart, _Significant, _Shutdown, Intensity, Auto, Template}) ->
    ask({started, Id, self(), dynamic, parent()}),
    Spec = (spec(Template))#{start => {?MODULE, start_named, [Template]}},
    {ok, {flags(simple_one_for_one, Intensity, Auto), [Spec]}}.

flags(Strategy, Intensity, Auto) ->
    #{strategy => Strategy, intensity => Intensity, period => 3600, auto_shutdown => Auto}.

parent() -> hd(get('$ancestors')).

fails(Id) ->
    case ets:lookup(failing, Id) of
        [{_, Times}] when Times > 0 -> ets:insert(failing, {Id, Times - 1}), true;
        _ -> false
    end.

handle_call(_, _, Hangs) -> {reply, ok, Hangs}.
handle_cast({exit, Reason}, Hangs) -> {stop, Reason, Hangs}.
handle_info(_, Hangs) -> {noreply, Hangs}.
terminate(_, true) -> ask({hanging, self()}), receive never -> ok end;
terminate(_, false) -> ok.

%% --- what happened -----------------------------------------------------------------------------------------------

ask(Question) ->
    Tag = make_ref(),
    recorder ! {self(), Tag, Question},
    receive {Tag, Answer} -> Answer end.

%% known: Pid => {Id, Kind, Group that it belongs to, its own Group}, of those that live; newest: Id => Pid.
fresh() -> #{events => [], count => 0, known => #{}, newest => #{}, instances => #{}, hanging => #{}, root => undefined}.

recorder(State) ->
    receive
        {From, Tag, Question} ->
            {Answer, Next} = answer(Question, State),
            From ! {Tag, Answer},
            recorder(Next);
        {'DOWN', _, process, Pid, Reason} ->
            recorder(ended(Pid, reason(Reason), State))
    end.

answer({started, Id, Pid, Kind, Parent}, State) ->
    #{known := Known, newest := Newest, instances := Instances} = State,
    monitor(process, Pid),
    Group = group(Parent, State),
    Number = maps:get(Id, Instances, 0) + 1,
    Own = lists:flatten(io_lib:format("~ts#~b", [Id, Number])),
    Root = case Group of "top" -> Pid; _ -> maps:get(root, State) end,
    Next = State#{known := Known#{Pid => {Id, Kind, Group, Own}}, newest := Newest#{Id => Pid},
                  instances := Instances#{Id => Number}, root := Root},
    {ok, event(Group, start, Id, "-", Next)};
answer({failed, Id, Parent}, State) ->
    {ok, event(group(Parent, State), fail, Id, "-", State)};
answer({hanging, Pid}, #{hanging := Hanging} = State) ->
    {ok, State#{hanging := Hanging#{Pid => true}}};
answer({newest, Id}, #{newest := Newest} = State) ->
    {maps:get(Id, Newest, undefined), State};
answer(root, #{root := Root} = State) ->
    {Root, State};
answer(count, #{count := Count} = State) ->
    {Count, State};
answer(alive, #{known := Known, hanging := Hanging} = State) ->
    {[{Pid, Kind, maps:is_key(Pid, Hanging)} || {Pid, {_, Kind, _, _}} <- maps:to_list(Known)], State};
answer({known, Pid}, #{known := Known} = State) ->
    {maps:get(Pid, Known, undefined), State};
answer(events, #{events := Events} = State) ->
    {lists:reverse(Events), State#{events := []}};
answer(forget, _) ->
    {ok, fresh()}.

group(Parent, #{known := Known}) ->
    case Known of
        #{Parent := {_, _, _, Own}} -> Own;
        _ -> "top"
    end.

event(Group, Kind, Id, Reason, #{events := Events, count := Count} = State) ->
    State#{events := [{Group, Kind, Id, Reason} | Events], count := Count + 1}.

ended(Pid, Reason, #{known := Known} = State) ->
    case Known of
        #{Pid := {Id, Kind, Group, Own}} ->
            Next = event(Group, stop, Id, Reason, State#{known := maps:remove(Pid, Known)}),
            case Kind of
                worker -> Next;
                _ -> event(Own, 'end', Id, Reason, Next)
            end;
        _ ->
            State
    end.

reason(normal) -> "normal";
reason(shutdown) -> "shutdown";
reason(killed) -> "killed";
reason({shutdown, {failed_to_start_child, _, _}}) -> "start-failed";
reason({shutdown, _}) -> "shutdown-term";
reason(_) -> "error".

report(Reply) ->
    quiet(?QUIET_PASSES),
    io:format("reply ~ts~n", [Reply]),
    [io:format("event ~ts ~ts ~ts ~ts~n", tuple_to_list(Event)) || Event <- ask(events)],
    [tree(Pid, Kind) || {Pid, Kind, _} <- ask(alive), Kind =/= worker],
    io:format("done~n").

tree(Pid, Kind) ->
    try supervisor:which_children(Pid) of
        Children ->
            {_, _, _, Own} = ask({known, Pid}),
            io:format("tree ~ts~ts~n", [Own, [[" ", text(Child, Kind)] || Child <- lists:reverse(Children)]])
    catch
        exit:_ -> ok
    end.

text({_, Child, _, _}, dynamic) when is_pid(Child) ->
    case ask({known, Child}) of
        {Id, _, _, _} -> [atom_to_list(Id), ":running"];
        undefined -> "?:running"
    end;
text({Id, Child, _, _}, _) ->
    [atom_to_list(Id), case Child of
                           undefined -> ":stopped";
                           restarting -> ":restarting";
                           _ -> ":running"
                       end].

%% Returns when nothing has happened for a few looks at everything.
quiet(0) ->
    ok;
quiet(Passes) ->
    Before = ask(count),
    Alive = ask(alive),
    [catch supervisor:which_children(Pid) || {Pid, Kind, _} <- Alive, Kind =/= worker],
    timer:sleep(1),
    Busy = lists:any(fun busy/1, ask(alive)),
    case ask(count) =:= Before andalso not Busy of
        true -> quiet(Passes - 1);
        false -> quiet(?QUIET_PASSES)
    end.

%% One that hangs in its terminate does nothing any more; one that is dead is not yet written down. One that waits elsewhere than
%% for its next message (for the logger, on its way out of a crash, or for a child) is not at rest.
busy({_, _, true}) ->
    false;
busy({Pid, _, false}) ->
    case process_info(Pid, [status, message_queue_len, current_function]) of
        [{status, waiting}, {message_queue_len, 0}, {current_function, {gen_server, loop, _}}] -> false;
        _ -> true
    end.
